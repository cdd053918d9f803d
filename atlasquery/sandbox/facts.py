"""What is known of each object of the synthetic sky: its class, names, redshift and rank."""

import string
from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = ["Facts", "letters", "pick", "year_of"]

# Sherlock's classes of each kind of light curve, and how often.
_CLASSES = {
    "supernova": ["SN"] * 7 + ["NT"] * 2 + ["UNCLEAR"],
    "quiet": ["SN"] * 3 + ["NT", "AGN"],
    "variable": ["VS"] * 6 + ["CV", "AGN", "BS"],
    "agn": ["AGN"] * 9,
    "m_dwarf": ["VS"] * 4 + ["HPM", "BS"],
    "mover": ["ORPHAN"] * 4 + ["UNCLEAR"],
    "orphan": ["ORPHAN"],
}
_SPECTRA = {
    "SN": ("SN Ia", "SN Ia", "SN Ia", "SN II", "SN Ib/c", "SN IIn", "SLSN-I", None),
    "NT": ("SN Ia", "SN II", "TDE", None),
    "AGN": ("AGN", None),
    "CV": ("CV", None),
    "VS": ("Varstar", "CV", None),
    "ORPHAN": ("SN Ia", None, None),
}
# Detection lists of ATLAS an object is in, and how often; None is in no list.
_LISTS: list[int | None] = [8, 9, 10, 11, 12, 13, None]
_LISTS[:0] = [0] * 10 + [1] * 8 + [2] * 25 + [3] * 20 + [4] * 20 + [5] * 8 + [6] * 4 + [7] * 2
_LISTS_OF_TOPIC = {"mover": [9, 9, 4, 0], "m_dwarf": [6, 6, 2, 4], "supernova": [1, 2, 2, 3, 4]}
_NAMED_LISTS = (1, 2, 3, 5)


class Facts:
    """What several tables say of each object.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of chance.
    kinds : sequence of str
        Kind of each object.
    topics : sequence of str
        Why each object is in the sky.
    start : numpy.ndarray
        MJD at which each object's light curve begins.
    first : int, optional
        Number of the first object, from which the names are counted.
    """

    def __init__(
        self,
        rng: np.random.Generator,
        kinds: Sequence[str],
        topics: Sequence[str],
        start: np.ndarray,
        first: int = 0,
    ):
        count = len(start)
        self.start = start
        self.numbers = first + np.arange(count)
        self.year = [year_of(mjd) % 100 for mjd in start]
        self.classes = [str(rng.choice(_CLASSES[kind])) for kind in kinds]
        self.lists = [
            choices[rng.integers(len(choices))]
            for choices in (_LISTS_OF_TOPIC.get(topic, _LISTS) for topic in topics)
        ]
        self.names = [
            None
            if self.lists[n] in (None, 4)
            else f"ATLAS{self.year[n]:02d}{letters(700 + first + n)}"
            for n in range(count)
        ]
        named = [
            self.lists[n] in _NAMED_LISTS and kinds[n] in ("supernova", "orphan")
            for n in range(count)
        ]
        self.tns = [
            f"20{self.year[n]:02d}{letters(900 + 7 * (first + n))}" if named[n] else None
            for n in range(count)
        ]
        self.spectra = [
            pick(rng, _SPECTRA.get(cls, (None,))) if tns else None
            for cls, tns in zip(self.classes, self.tns, strict=True)
        ]
        self.redshift = np.round(rng.uniform(0.003, 0.12, count), 5)
        self.apart = rng.uniform(0.1, 20, count)
        self.hosts = [f"NGC {number}" for number in rng.integers(1, 7000, count)]
        self.rank = np.where(np.arange(count) % 11 == 10, np.nan, rng.uniform(0, 10, count))
        # Stellar classes and orphans have no galaxy; a few objects were not yet classified.
        self.classified = np.arange(count) % 29 != 28
        self.crossmatched = np.array([cls != "ORPHAN" for cls in self.classes])
        self.crossmatched &= self.classified


def pick(rng: np.random.Generator, choices: Sequence[Any]) -> Any:
    """Pick one of several values.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of chance.
    choices : sequence
        The values.

    Returns
    -------
    object
        One of them.
    """
    return choices[int(rng.integers(len(choices)))]


def letters(number: int) -> str:
    """Count in letters: 1 is a, 26 is z, 27 is aa.

    Parameters
    ----------
    number : int
        The number, from 1.

    Returns
    -------
    str
        The letters.
    """
    text = ""
    while number:
        number, rest = divmod(number - 1, 26)
        text = string.ascii_lowercase[rest] + text
    return text


def year_of(mjd: float) -> int:
    """Return the calendar year of a date.

    Parameters
    ----------
    mjd : float
        Modified Julian date.

    Returns
    -------
    int
        The year.
    """
    date = np.datetime64("1858-11-17", "D") + np.timedelta64(int(np.floor(mjd)), "D")
    return int(str(date)[:4])
