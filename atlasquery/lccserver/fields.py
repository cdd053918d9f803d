"""Numbers and strings from lines of separated fields, a column at a time.

A server writes each column of numbers with so many decimals. Then the digits of all
its values stand in the same places, counted from the end of the field, and one
product of matrices makes numbers of them: whole numbers below 2**53, divided by a
power of ten, are rounded as they should be. What does not look like that is read
one by one.
"""

import functools
import re
from collections.abc import Callable, Sequence

import numpy as np

from atlasquery.tables.columns import INT64

__all__ = ["FieldError", "Fields"]

NEWLINE = 10
# The bytes around the lines, so that a window on a field never leaves them.
MARGIN = 64
# "-", fifteen digits and a point: more digits do not fit a float.
WIDEST = 17
EXACT = 2.0**53
# Strings for a missing number: "nan" (see docs/servers/lccserver.rst, "Missing values"), and others
# that Python and numpy write.
MISSING = frozenset({"", "nan", "none", "null", "--", "masked"})
NAN = np.frombuffer(b"nan", np.uint8)
# Bytes less that of the digit 0.
ZERO, POINT, MINUS = np.uint8(48), np.uint8(254), np.uint8(253)
DOT = np.uint8(46)
# Fields that are read together: more would leave the processor's cache.
BLOCK = 4096
# Of so few lines all columns are read together, though the narrow ones then take more work.
FEW = 512
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?inf(inity)?", re.ASCII | re.I)
WHOLE = re.compile(r"[+-]?\d+(\.0*)?", re.ASCII)


class FieldError(ValueError):
    """A field that is not what its column holds.

    Parameters
    ----------
    row : int
        The number of its line, from 0.
    text : str
        The field.
    wrong : str
        What it is not.
    """

    def __init__(self, row: int, text: str, wrong: str):
        super().__init__(f"{text!r} {wrong}")
        #: The name of the column, where it is known.
        self.column = ""
        self.row = row
        self.text = text
        self.wrong = wrong


class Fields:
    """The fields of lines that all have the same number of them.

    Parameters
    ----------
    body : bytes
        The lines, each with a line feed at its end.
    separator : bytes
        The byte between two fields.
    width : int
        How many fields a line has.

    Raises
    ------
    ValueError
        If a line has another number of them.
    """

    def __init__(self, body: bytes, separator: bytes, width: int):
        margin = bytes(MARGIN)
        self._body = b"".join((margin, body, margin))
        bytes_ = np.frombuffer(body, np.uint8)
        found = bytes_ == separator[0]
        found |= bytes_ == NEWLINE
        flat = np.flatnonzero(found)
        rows, rest = divmod(len(flat), width)
        flat = flat[: rows * width]
        ends = flat.reshape(rows, width)
        if rest or body.count(b"\n") != rows or not np.all(bytes_[ends[:, -1]] == NEWLINE):
            raise ValueError("a line has another number of fields")
        lengths = flat + 1
        lengths[1:] -= lengths[:-1].copy()
        widths = lengths.reshape(rows, width)
        # A column at a time is read, so its places lie side by side.
        self._ends = np.ascontiguousarray(ends.T) + MARGIN
        self._widths = np.ascontiguousarray(widths.T) - 1
        self._rows = rows
        self._prepared: dict[int, tuple[np.ndarray, np.ndarray]] = {}

    def __len__(self) -> int:
        return self._rows

    def text(self, column: int, row: int) -> str:
        """Return one field.

        Parameters
        ----------
        column, row : int
            Its place.

        Returns
        -------
        str
            As it is.
        """
        end = int(self._ends[column, row])
        return self._body[end - int(self._widths[column, row]) : end].decode("utf-8", "replace")

    def floats(self, column: int) -> np.ndarray:
        """Return a column of numbers.

        Parameters
        ----------
        column : int
            Its number.

        Returns
        -------
        `~numpy.ndarray` of float
            NaN where there is none.

        Raises
        ------
        FieldError
            If a field is not a number.
        """
        values, odd = self._column(column)
        self._one_by_one(column, values, odd, _float, np.nan)
        return values

    def wholes(self, column: int) -> tuple[np.ndarray, np.ndarray]:
        """Return a column of whole numbers, of as many digits as 64 bits hold.

        Parameters
        ----------
        column : int
            Its number.

        Returns
        -------
        values : `~numpy.ndarray` of int64
            0 where there is none.
        mask : `~numpy.ndarray` of bool
            Where there is none.

        Raises
        ------
        FieldError
            If a field is not a whole number, or beyond 64 bits.
        """
        found, odd = self._column(column)
        # NaN, and other fields that are not whole numbers, are read one by one.
        odd |= ~(found == np.rint(found))
        values = np.where(odd, 0.0, found).astype(np.int64)
        mask = self._one_by_one(column, values, odd, _whole, 0)
        return values, mask

    def strings(self, column: int) -> tuple[np.ndarray, np.ndarray]:
        """Return a column of strings.

        Parameters
        ----------
        column : int
            Its number.

        Returns
        -------
        values : `~numpy.ndarray` of str
            As they are.
        mask : `~numpy.ndarray` of bool
            Where they are empty.
        """
        widths = self._widths[column]
        width = int(widths.max(initial=0))
        if width == 0:
            return np.zeros(self._rows, "U1"), np.ones(self._rows, bool)
        if width <= MARGIN:
            bytes_ = self._windows(width)[self._ends[column] - widths]
            bytes_[np.arange(width) >= widths[:, None]] = 0
            if not np.any(bytes_ > 127):
                return bytes_.astype(np.uint32).view(f"U{width}")[:, 0], widths == 0
        return np.array([self.text(column, n) for n in range(self._rows)]), widths == 0

    def _windows(self, width: int) -> np.ndarray:
        """Return the bytes that follow each place."""
        count = len(self._body) - width + 1
        return np.ndarray((count, width), np.uint8, self._body, strides=(1, 1))

    def prepare(self, columns: Sequence[int]) -> None:
        """Read columns of numbers together: of few lines, that takes much less time.

        Parameters
        ----------
        columns : sequence of int
            Their numbers. A field that cannot be read is reported when the column is read.
        """
        few = self._rows <= FEW
        widths = {n: 0 if few else int(self._widths[n].max(initial=0)) for n in columns}
        for width in set(widths.values()):
            together = [n for n in columns if widths[n] == width]
            values, odd = self._digits(np.array(together))
            self._prepared.update(zip(together, zip(values, odd, strict=True), strict=True))

    def _column(self, column: int) -> tuple[np.ndarray, np.ndarray]:
        """Return what can be read at once, NaN for "nan", and where another look is needed."""
        if column not in self._prepared:
            self.prepare([column])
        return self._prepared.pop(column)

    def _digits(self, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the same of several columns, a row for each."""
        ends, widths = self._ends[columns], self._widths[columns]
        values, odd = np.full(widths.shape, np.nan), widths == 0
        empty = odd.copy()
        if not self._rows:
            return values, odd
        # "nan" is looked for first, so that a column without it is one of digits throughout.
        short = np.nonzero(widths == 3)
        if short[0].size:
            blank = (self._windows(3)[ends[short] - 3] == NAN).all(axis=1)
            widths[short[0][blank], short[1][blank]] = 0
        longest = widths.max(axis=1, initial=0)
        # The longest has the decimals of all.
        sample = ends[np.arange(len(columns)), widths.argmax(axis=1)]
        points = self._windows(WIDEST)[sample - WIDEST, ::-1] == DOT
        decimals = points.argmax(axis=1)
        decimals[~points.any(axis=1) | (decimals >= longest)] = -1
        width = min(int(longest.max(initial=0)), WIDEST)
        # A point at the end may be all there is.
        beyond = (decimals >= width) | (decimals == 0)
        odd[beyond] = True
        read = np.flatnonzero((longest > 0) & ~beyond)
        if not read.size:
            return values, odd
        chosen = slice(None) if read.size == len(columns) else read
        point_places = tuple(decimals[chosen].tolist())
        step = max(1, BLOCK // len(columns))
        for first in range(0, self._rows, step):
            block = np.s_[chosen, first : first + step]
            values[block], strange = _read_block(
                self._windows(width)[ends[block] - width], widths[block], point_places
            )
            odd[block] |= strange
        nothing = widths == 0
        values[nothing], odd[nothing] = np.nan, empty[nothing]
        return values, odd

    def _one_by_one(
        self, column: int, values: np.ndarray, odd: np.ndarray, read: Callable, blank: float
    ) -> np.ndarray:
        """Fill in what needs another look; return where there is no number."""
        mask = np.zeros(self._rows, bool)
        for row in odd.nonzero()[0].tolist():
            text = self.text(column, row).strip()
            mask[row] = text.lower() in MISSING
            try:
                values[row] = blank if mask[row] else read(text)
            except ValueError as error:
                raise FieldError(row, text, str(error)) from None
        return mask


def _read_block(
    digits: np.ndarray, widths: np.ndarray, decimals: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the numbers of fields that end where `digits` do, and which of them are odd."""
    width = digits.shape[2]
    digits -= ZERO
    outside = np.maximum(width - widths, 0).astype(np.uint8)
    if outside.any():
        digits *= np.arange(width, dtype=np.uint8) >= outside[..., None]
    odd = widths > width
    weights, scales, pointed, points = _weights(width, decimals)
    odd[pointed] |= digits[pointed, :, points] != POINT
    digits[pointed, :, points] = 0
    negative = None
    if digits.max() > 9:
        first = np.minimum(outside, width - 1)[..., None]
        signs = np.take_along_axis(digits, first, axis=2)
        negative = (signs[..., 0] == MINUS) & (widths > 1)
        np.put_along_axis(digits, first, signs * ~negative[..., None], axis=2)
        odd |= (digits > 9).any(axis=2)
    values = np.matmul(digits.astype(np.float64), weights)[..., 0]
    odd |= values >= EXACT
    values /= scales
    if negative is not None:
        np.negative(values, out=values, where=negative)
    return values, odd


@functools.lru_cache(maxsize=256)
def _weights(width: int, decimals: tuple[int, ...]) -> tuple[np.ndarray, ...]:
    """Return what each digit counts, by what to divide, and which columns have a point where."""
    places = np.array(decimals)
    pointed = np.flatnonzero(places >= 0)
    points = width - places[pointed] - 1
    weights = np.repeat(10.0 ** np.arange(width - 1, -1, -1)[None], len(decimals), axis=0)
    for column, point in zip(pointed.tolist(), points.tolist(), strict=True):
        weights[column, :point] /= 10.0
    return weights[..., None], 10.0 ** np.maximum(places, 0)[:, None], pointed, points


def _float(text: str) -> float:
    if not NUMBER.fullmatch(text):
        raise ValueError("is not a number")
    number = float(text)
    # An infinity is what is left of a calculation, and no measurement.
    return number if np.isfinite(number) else np.nan


def _whole(text: str) -> int:
    if not WHOLE.fullmatch(text):
        raise ValueError("is not a whole number")
    number = int(text.partition(".")[0])
    if number not in INT64:
        raise ValueError("is beyond 64 bits")
    return number
