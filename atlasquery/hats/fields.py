"""The columns of light curves as columns of a file, and back: types, units, masks, times."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import astropy.units as u
import numpy as np
from astropy.table import Column as TableColumn
from astropy.table import MaskedColumn, Table
from astropy.time import Time
from astropy.utils.masked import Masked

from atlasquery.exceptions import InvalidQueryError
from atlasquery.lightcurve.schema import MJD_0, halves, time_column
from atlasquery.tables import Column, quantity_column
from atlasquery.tables.build import table_column

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["MJD", "MJD_TAI", "TAI_ABOUT", "FileColumn", "FileColumns", "arrow_array", "read_column"]

#: The survey's time, and the middle of the exposure in TAI.
MJD, MJD_TAI = "mjd", "mjd_tai"
TAI_ABOUT = "Middle of the exposure, MJD in TAI; null for times at the barycentre."
# The smallest signed type of a file for each unsigned one: VOTables have no other.
SIGNED = {"uint8": "int16", "uint16": "int32", "uint32": "int64", "uint64": "int64"}
# Above this a float stands for several whole numbers.
EXACT = 2**53
LARGEST = 2**63 - 1
# Formats of times that are shown as dates, which come in whole microseconds.
DATES = ("isot", "iso", "fits", "yday", "datetime", "datetime64", "ymdhms")
MICROSECONDS = 86400e6


@dataclass(frozen=True)
class FileColumn:
    """A column of a light curve, and what it is in a file.

    Parameters
    ----------
    name : str
        Its name in the file.
    column : str
        Its name in a light curve.
    kind : {"column", "quantity", "time"}
        What it is in a light curve.
    dtype : str
        Type of its values: ``"str"`` or as numpy names it; MJD of a time.
    masked : bool
        Whether values may be missing.
    unit : str, optional
        Its unit.
    about : str, optional
        Its description.
    scale, format : str, optional
        Those of a time.
    """

    name: str
    column: str
    kind: str
    dtype: str
    masked: bool
    unit: str = ""
    about: str = ""
    scale: str = ""
    format: str = ""

    @classmethod
    def of(cls, column: Any, name: str) -> "FileColumn":
        """Return the field of a column.

        Parameters
        ----------
        column : `~astropy.table.Column`, `~astropy.units.Quantity` or `~astropy.time.Time`
            The column.
        name : str
            Its name.

        Returns
        -------
        FileColumn
            Of the same name.

        Raises
        ------
        InvalidQueryError
            If it cannot be written to a file.
        """
        about = str(column.info.description or "")
        if isinstance(column, Time):
            masked = bool(np.any(column.mask))
            return cls(
                name, name, "time", "float64", masked, "d", about, column.scale, column.format
            )
        dtype = getattr(column, "dtype", np.dtype("O"))
        text = dtype.kind in "US"
        flat = getattr(column, "ndim", 1) == 1
        if not flat or not (text or (dtype.kind in "fiub" and dtype.itemsize <= 8)):
            raise InvalidQueryError(
                f"the column {name} is of type {type(column).__name__} with values of {dtype}; "
                "only numbers, strings, booleans and times can be written: remove it"
            )
        known = "str" if text else dtype.newbyteorder("=").name
        kind = "quantity" if isinstance(column, u.Quantity) else "column"
        masked = isinstance(column, MaskedColumn | Masked)
        unit = column.info.unit
        return cls(name, name, kind, known, masked, "" if unit is None else unit.to_string(), about)

    def with_another(self, other: "FileColumn") -> "FileColumn":
        """Return the field of two light curves' columns of the same name.

        Parameters
        ----------
        other : FileColumn
            The field of the other one.

        Returns
        -------
        FileColumn
            Of values of both.

        Raises
        ------
        InvalidQueryError
            If they cannot be one column.
        """
        if (self.kind == "time") != (other.kind == "time") or self.scale != other.scale:
            raise InvalidQueryError(
                f"the column {self.column} is {self._what} in one light curve and {other._what} in "
                "another: they cannot be one column"
            )
        if self.unit != other.unit and not u.Unit(self.unit).is_equivalent(u.Unit(other.unit)):
            raise InvalidQueryError(
                f"the column {self.column} is in {self.unit or 'no unit'} in one light curve and "
                f"in {other.unit or 'no unit'} in another: they cannot be one column"
            )
        return replace(
            self,
            dtype=self._common_type(other),
            masked=self.masked or other.masked,
            kind="quantity" if "quantity" in (self.kind, other.kind) else self.kind,
        )

    def _common_type(self, other: "FileColumn") -> str:
        if self.dtype == other.dtype:
            return self.dtype
        if {"str", "bool"} & {self.dtype, other.dtype}:
            raise InvalidQueryError(
                f"the column {self.column} has values of type {self.dtype} in one light curve and "
                f"of type {other.dtype} in another: they cannot be one column"
            )
        types = np.dtype(self.dtype), np.dtype(other.dtype)
        if all(one.kind in "iu" for one in types):
            return "int64"
        return np.result_type(*types).name

    @property
    def _what(self) -> str:
        return f"a time in {self.scale.upper()}" if self.kind == "time" else "not a time"

    @property
    def arrow_type(self) -> "pa.DataType":
        """The type of the column of a file."""
        import pyarrow as pa

        if self.dtype == "str":
            return pa.string()
        if self.dtype == "bool":
            return pa.bool_()
        name = "float32" if self.dtype == "float16" else SIGNED.get(self.dtype, self.dtype)
        return pa.from_numpy_dtype(np.dtype(name))

    def as_dict(self) -> dict:
        """Return it as JSON has it.

        Returns
        -------
        dict
            Without what is empty.
        """
        return {key: value for key, value in asdict(self).items() if value not in ("", False)}

    @classmethod
    def from_dict(cls, known: Mapping) -> "FileColumn":
        """Return the field that `as_dict` described.

        Parameters
        ----------
        known : mapping
            From a file.

        Returns
        -------
        FileColumn
            The same.
        """
        return cls(**{"masked": False, **known})


class FileColumns:
    """The columns that light curves have, of which not each need have all.

    Parameters
    ----------
    columns : sequence of str, optional
        The only ones that are meant, beside the time.
    """

    def __init__(self, columns: Sequence[str] | None = None):
        self._chosen = None if columns is None else {"time", *columns}
        self._known: dict[str, FileColumn] = {}
        self._names = {MJD, MJD_TAI}
        self._layouts: set[tuple] = set()

    def __iter__(self) -> Iterator[FileColumn]:
        return iter(self._known.values())

    def add(self, lc: Table, name: str) -> None:
        """Add the columns of a light curve.

        Parameters
        ----------
        lc : `~astropy.table.Table`
            The light curve.
        name : str
            Its name in messages.

        Raises
        ------
        InvalidQueryError
            If a column cannot be written, or not together with those of others.
        """
        columns = [
            (key, column)
            for key, column in lc.columns.items()
            if self._chosen is None or key in self._chosen
        ]
        layout = tuple(
            (key, type(column), *_kind_of(column), str(getattr(column, "unit", "")))
            for key, column in columns
        )
        if layout in self._layouts:
            return
        self._layouts.add(layout)
        try:
            for key, column in columns:
                self._add(FileColumn.of(column, key))
        except InvalidQueryError as error:
            raise InvalidQueryError(f"{name}: {error}") from None
        for key in self._known.keys() - {key for key, _ in columns}:
            self._known[key] = replace(self._known[key], masked=True)

    def _add(self, field: FileColumn) -> None:
        if field.column in self._known:
            self._known[field.column] = self._known[field.column].with_another(field)
            return
        name = MJD if field.column == "time" else field.column.replace(".", "_")
        while name in self._names and field.column != "time":
            name += "_"
        self._names.add(name)
        # Light curves before it had no such column.
        masked = field.masked or len(self._layouts) > 1
        self._known[field.column] = replace(field, name=name, masked=masked)

    def missing(self) -> list[str]:
        """Return the columns chosen that no light curve has.

        Returns
        -------
        list of str
            Their names.
        """
        return sorted((self._chosen or set()) - self._known.keys())


def _kind_of(column: Any) -> tuple:
    if isinstance(column, Time):
        return "time", column.scale, column.format, bool(np.any(column.mask))
    dtype = getattr(column, "dtype", np.dtype("O"))
    return dtype.kind, 0 if dtype.kind in "US" else dtype.itemsize


def arrow_array(field: FileColumn, columns: Iterable[tuple[Any, int]]) -> "pa.Array":
    """Return a column of several light curves as one of a file.

    Parameters
    ----------
    field : FileColumn
        The column.
    columns : iterable of tuple
        The column of each light curve, None where it has none, and its length.

    Returns
    -------
    `pyarrow.Array`
        Null where it is masked, and in the rows of light curves without it.

    Raises
    ------
    InvalidQueryError
        If values do not fit in its type.
    """
    import pyarrow as pa

    values, masks = [], []
    dtype = np.dtype("U1") if field.dtype == "str" else np.dtype(field.dtype)
    for column, length in columns:
        if column is None:
            values.append(np.zeros(length, dtype))
            masks.append(np.ones(length, bool))
            continue
        array, mask = _values_and_mask(column, field)
        values.append(array)
        masks.append(np.zeros(length, bool) if mask is None else mask)
    joined = np.concatenate(values) if values else np.empty(0, dtype)
    mask = np.concatenate(masks) if masks else np.empty(0, bool)
    _check_exact(field, joined, mask)
    if field.dtype == "str":
        return pa.array(joined.tolist(), type=pa.string(), mask=mask if mask.any() else None)
    kind = field.arrow_type.to_pandas_dtype()
    return pa.array(
        joined.astype(kind, copy=False), mask=mask if mask.any() else None, type=field.arrow_type
    )


def _check_exact(field: FileColumn, values: np.ndarray, mask: np.ndarray) -> None:
    mixed = values.dtype.kind in "iu" and field.dtype.startswith("float")
    if mixed and np.any(np.abs(values[~mask].astype(np.float64)) > EXACT):
        raise InvalidQueryError(
            f"the column {field.column} has whole numbers beyond 2**53 in one light curve and "
            "floats in another: they cannot be one column"
        )
    if values.dtype == np.uint64 and np.any(values[~mask] > LARGEST):
        raise InvalidQueryError(
            f"the column {field.column} has whole numbers beyond {LARGEST}, which programs that "
            "read such files do not keep: write it as strings"
        )


def _values_and_mask(column: Any, field: FileColumn) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the bare values of a column in the unit of a field, and where they are missing."""
    if isinstance(column, Time):
        mask = np.asarray(column.mask)
        parts = (np.asarray(getattr(one, "unmasked", one)) for one in (column.jd1, column.jd2))
        jd1, jd2 = parts
        return (jd1 - MJD_0) + jd2, mask if mask.any() else None
    missing: np.ndarray | None = None
    if isinstance(column, MaskedColumn):
        values, missing = np.asarray(column.data.data), np.ma.getmaskarray(column)
    elif isinstance(column, Masked):
        values, missing = np.ndarray.view(column.unmasked, np.ndarray), np.asarray(column.mask)
    else:
        values = np.ndarray.view(column, np.ndarray)
    values = values.astype(values.dtype.newbyteorder("="), copy=False)
    if values.dtype.kind == "S":
        values = np.strings.decode(values, "utf-8")
    given = getattr(column, "unit", None)
    if field.unit and given is not None and (text := given.to_string()) != field.unit:
        values = values * u.Unit(text).to(u.Unit(field.unit))
    return values, missing


def read_column(field: FileColumn, array: "pa.Array") -> Any:
    """Return a column of a file as it was in the light curve.

    Parameters
    ----------
    field : FileColumn
        The column.
    array : `pyarrow.Array`
        Its values.

    Returns
    -------
    `~astropy.table.Column`, `~astropy.units.Quantity` or `~astropy.time.Time`
        With name, unit, description and mask.
    """
    mask = np.asarray(array.is_null())
    values = _numpy_values(field, array, mask)
    if field.kind == "time":
        return _read_time(field, values, mask)
    unit = u.Unit(field.unit) if field.unit else None
    column = Column(field.column, unit=unit, about=field.about, required=not field.masked)
    if field.kind == "quantity" and field.masked:
        return quantity_column(column, values, mask)
    if field.kind == "quantity":
        quantity = u.Quantity(values, unit, copy=False, dtype=values.dtype)
        quantity.info.name, quantity.info.description = field.column, field.about or None
        return quantity
    if not field.masked:
        built = TableColumn(values, unit=unit, description=field.about or None)
        built.name = field.column
        return built
    return table_column(column, values, mask)


def _numpy_values(field: FileColumn, array: "pa.Array", mask: np.ndarray) -> np.ndarray:
    if field.dtype == "str":
        texts = array.fill_null("").to_pylist()
        return np.array(texts, dtype=np.str_) if texts else np.empty(0, "U1")
    blank = {"f": np.nan, "b": False}.get(np.dtype(field.dtype).kind, 0)
    filled = array.fill_null(blank) if mask.any() else array
    # A copy, as Arrow's arrays cannot be changed.
    return np.array(filled.to_numpy(zero_copy_only=False), dtype=field.dtype)


def _read_time(field: FileColumn, mjd: np.ndarray, mask: np.ndarray) -> Time:
    known = np.where(mask, 51544.0, mjd) if mask.any() else mjd
    days = halves(known)
    if field.format in DATES:
        day = np.floor(known)
        whole = halves(day)[0]
        rest = np.rint((known - day) * MICROSECONDS) / MICROSECONDS
        days = whole, (day - (whole - MJD_0)) + rest
    times = time_column(days, field.column, field.about, field.scale)
    times.info.description = field.about or None
    if field.format:
        times.format = field.format
    if mask.any():
        times[mask] = np.ma.masked
    return times
