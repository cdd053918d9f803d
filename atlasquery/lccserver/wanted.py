"""The objects whose light curves are asked for, and what their files are called."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

import numpy as np

from atlasquery.exceptions import InvalidQueryError, TableParseError
from atlasquery.lccserver.archive import ENDING
from atlasquery.lccserver.catalogue import Collections
from atlasquery.lccserver.csvlc import CsvLightCurve

__all__ = ["Wanted", "check_objectid", "wanted_rows"]


@dataclass(frozen=True)
class Wanted:
    """An object whose light curve is asked for.

    Parameters
    ----------
    objectid, collection : str
        Its names.
    directory : str
        The folder of the collection, in addresses.
    mag_columns : tuple of str
        The columns that the collection names as its magnitudes.
    ra, dec : float
        Where it is, in degrees; NaN where that is not known.
    """

    objectid: str
    collection: str
    directory: str
    mag_columns: tuple[str, ...] = ()
    ra: float = np.nan
    dec: float = np.nan

    @classmethod
    def of(cls, objectid: str, collection: str, known: Collections, **place) -> "Wanted":
        """Return an object of a collection of the server.

        Parameters
        ----------
        objectid, collection : str
            Its names.
        known : Collections
            Those of the server.
        **place : float
            ``ra`` and ``dec``, degrees.

        Returns
        -------
        Wanted
            With what the collection says of itself.
        """
        return cls(objectid, collection, *_folder_and_magnitudes(collection, known), **place)

    @property
    def full_name(self) -> str:
        """The name by which no other object of the server is called."""
        return f"{self.collection}/{self.objectid}"

    @property
    def file_name(self) -> str:
        """The name of its file."""
        return f"{self.objectid}{ENDING}"

    @property
    def member(self) -> str:
        """The name of its file in a ZIP."""
        return f"{self.directory}-{self.file_name}"

    @property
    def path(self) -> str:
        """The address of its file at the server."""
        return f"l/{quote(self.directory)}/{quote(self.file_name)}"

    def check(self, parsed: CsvLightCurve) -> None:
        """Refuse the file of another object.

        Parameters
        ----------
        parsed : CsvLightCurve
            A file.

        Raises
        ------
        TableParseError
            If it names another object.
        """
        said = parsed.info.get("objectid")
        if said and str(said).split() != self.objectid.split():
            raise TableParseError(f"{self.file_name} is of {said!r}, another object")


def check_objectid(objectid: object) -> str:
    """Return the name of an object, or refuse it.

    Parameters
    ----------
    objectid : str
        What was given.

    Returns
    -------
    str
        The same.

    Raises
    ------
    InvalidQueryError
        If it is no name, or one that an address cannot hold.
    """
    text = str(objectid).strip() if isinstance(objectid, (str, np.str_)) else ""
    if not text or len(text) > 200 or re.search(r"[/\\'\"\x00-\x1f\x7f]|^\.+$", text):
        raise InvalidQueryError(
            f"objectid={objectid!r:.100} is no name of an object, as searches return them"
        )
    return text


def wanted_rows(values: Mapping, known: Collections) -> list[Wanted]:
    """Return the objects that rows of a dataset name, each once.

    Parameters
    ----------
    values : mapping of str to array
        With ``objectid`` and ``collection``, and perhaps ``ra`` and ``dec`` (deg).
    known : Collections
        Those of the server.

    Returns
    -------
    list of Wanted
        In the order of the rows.

    Raises
    ------
    InvalidQueryError
        If a row is of no collection of the server.
    """
    names = np.ma.asarray(values["objectid"]).astype(str).tolist()
    owners = np.ma.asarray(values["collection"]).astype(str).tolist()
    about = {
        owner: _folder_and_magnitudes(owner, known) for owner in set(owners) & set(known.columns)
    }
    places = [
        np.ma.filled(np.ma.asarray(values[name]).astype(float), np.nan)
        if name in values
        else np.full(len(names), np.nan)
        for name in ("ra", "dec")
    ]
    with np.errstate(invalid="ignore"):
        # What is no position is as good as none.
        nowhere = ~((np.abs(places[0]) <= 360) & (np.abs(places[1]) <= 90))
    places = [np.where(nowhere, np.nan, values) for values in places]
    found = {}
    for name, owner, ra, dec in zip(names, owners, *(p.tolist() for p in places), strict=True):
        if owner not in about:
            raise InvalidQueryError(
                f"the dataset has {name} of the collection {owner!r}, which this server does not "
                "have: is it the result of another one?"
            )
        one = Wanted(check_objectid(name), owner, *about[owner], ra=ra, dec=dec)
        found.setdefault(one.full_name, one)
    return list(found.values())


def _folder_and_magnitudes(collection: str, known: Collections) -> tuple[str, tuple[str, ...]]:
    row = known.rows.values["collection"].tolist().index(collection)
    folder, columns = (str(known.rows.values[name][row]) for name in ("collection_id", "lcmagcols"))
    return folder, tuple(columns.split(","))
