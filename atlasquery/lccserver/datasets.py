"""Datasets: the results that an LCC-Server keeps of searches."""

import time
from dataclasses import dataclass, field

import msgspec
import numpy as np
from astropy.table import Table

from atlasquery.exceptions import (
    InvalidQueryError,
    MaxResultsWarning,
    NoResultsWarning,
    RemoteServiceError,
    TableParseError,
)
from atlasquery.lccserver.base import LCCServerQuery, decode_envelope
from atlasquery.lccserver.columns import DATASET, Description, decode_result
from atlasquery.tables import Rows, build_table, check_answer, decode_rows
from atlasquery.warn import warn

__all__ = [
    "HIDDEN",
    "Dataset",
    "check_setid",
    "decode_dataset",
    "get_dataset",
    "list_datasets",
    "read_dataset",
]

# "nsets: cap 1000" (contract).
MOST_DATASETS = 1000
#: The visibilities with which the server shows a dataset only to the key that made it.
HIDDEN = ("private", "shared")


class _Wire(msgspec.Struct):
    """A dataset on the wire; its ``rows`` are the same again, rounded and by the page."""

    setid: str
    columns: list[str]
    coldesc: dict[str, Description]
    result: msgspec.Raw
    status: str = "complete"
    total_nmatches: int | None = None
    actual_nrows: int | None = None
    created: str | None = None
    updated: str | None = None
    searchtype: str | None = None
    searchargs: msgspec.Raw = msgspec.Raw(b"null")
    collections: list[str] = []
    coll_dirs: dict[str, str] = {}
    lczipfpath: str | None = None
    dataset_csv: str | None = None
    visibility: str | None = None
    name: str | None = None
    citation: str | None = None


@dataclass
class Dataset:
    """A dataset as it was read.

    Parameters
    ----------
    setid : str
        Its name.
    status : str
        ``"complete"``, or ``"in progress"`` while its light curves are still collected.
    rows : Rows
        All of its rows.
    total : int
        How many objects matched, of which it may hold fewer.
    light_curves : str or None
        The path of the ZIP of its light curves; None where there is none yet, or ever.
    csv : str or None
        The path of the table of it.
    directories : dict of str to str
        The folder of each collection, in paths of light curves.
    about : dict
        What else it says of itself: ``created``, ``updated``, ``search``, ``arguments`` and more.
    when : float
        The Unix time at which it was read.
    """

    setid: str
    status: str
    rows: Rows
    total: int
    light_curves: str | None = None
    csv: str | None = None
    directories: dict[str, str] = field(default_factory=dict)
    about: dict = field(default_factory=dict)
    when: float = 0.0

    @property
    def complete(self) -> bool:
        """Whether nothing more will become of it."""
        return self.status == "complete"


def check_setid(setid: object) -> str:
    """Return the name of a dataset, or refuse it.

    Parameters
    ----------
    setid : str
        Eleven letters, digits, hyphens or underscores.

    Returns
    -------
    str
        The same.

    Raises
    ------
    InvalidQueryError
        If it is none.
    """
    text = setid.strip() if isinstance(setid, str) else ""
    plain = text.replace("-", "").replace("_", "").isalnum() and text.isascii()
    if not plain or len(text) > 64:
        raise InvalidQueryError(
            f"setid={setid!r:.100} is no name of a dataset, such as 'qbeiD6HI2iw': see "
            "meta['setid'] of a result, or list_datasets"
        )
    return text


def decode_dataset(body: bytes) -> Dataset:
    """Decode a dataset.

    Parameters
    ----------
    body : bytes
        The answer of ``/set/<setid>?json=1``.

    Returns
    -------
    Dataset
        With all of its rows, however many pages the server cuts it into.
    """
    wire = msgspec.json.decode(body, type=_Wire)
    rows = decode_result(wire.result, wire.coldesc, wire.columns)
    if wire.actual_nrows is not None and wire.actual_nrows != len(rows):
        raise TableParseError(
            f"dataset {wire.setid} came with {len(rows)} rows, and should have {wire.actual_nrows}"
        )
    about = {
        "created": wire.created,
        "updated": wire.updated,
        "search": wire.searchtype,
        "arguments": bytes(wire.searchargs).decode(),
        "collections": ",".join(wire.collections),
        "visibility": wire.visibility,
        "name": wire.name,
        "citation": wire.citation,
    }
    total = len(rows) if wire.total_nmatches is None else wire.total_nmatches
    return Dataset(
        wire.setid,
        wire.status,
        rows,
        total,
        wire.lczipfpath,
        wire.dataset_csv,
        wire.coll_dirs,
        {key: value for key, value in about.items() if value is not None},
    )


def _dataset_of(body: bytes, setid: str) -> Dataset:
    dataset = decode_dataset(body)
    check_answer(dataset.setid, setid, "the dataset", service="LCC-Server")
    return dataset


def _decode_list(body: bytes) -> Rows:
    try:
        return decode_rows(DATASET, decode_envelope(body))
    except RemoteServiceError:
        # "No datasets matching" comes as a failure without a result.
        if msgspec.json.decode(body, type=dict).get("result", "") is None:
            return decode_rows(DATASET, b"[]")
        raise


def list_datasets(
    self: LCCServerQuery, *, max_rows: int = 1000, cache: bool | None = None
) -> Table:
    """List the newest datasets that the key in use may see.

    Parameters
    ----------
    max_rows : int, optional
        How many of the server's newest datasets are looked at, up to 1000; those of
        others that are not public are not shown.
    cache : bool, optional
        Whether a stored answer is used, for ``conf.list_seconds``.

    Returns
    -------
    `~astropy.table.Table`
        ``setid`` (which `get_dataset` takes), ``nobjects``, ``created`` and ``updated``
        (UTC), ``query_type``, ``query_params`` (JSON), ``collections``, ``visibility``
        and more; the newest first.

    Raises
    ------
    InvalidQueryError
        If `max_rows` is not from 1 to 1000; nothing was sent.

    Warns
    -----
    NoResultsWarning
        If there is none.

    References
    ----------
    ``GET /api/datasets`` of the LCC-Server.

    Examples
    --------
    >>> from atlasquery import LCCServer
    >>> found = LCCServer.query_criteria("sdssr < 9.5", visibility="public")
    >>> found.meta["setid"] in LCCServer.list_datasets()["setid"]
    True
    """
    whole = isinstance(max_rows, (int, np.integer)) and not isinstance(max_rows, bool)
    if not whole or not 0 < max_rows <= MOST_DATASETS:
        raise InvalidQueryError(
            f"max_rows={max_rows!r} should be a whole number from 1 to {MOST_DATASETS}, the "
            "most that the server lists"
        )
    rows, when = self._fetch(
        "api/datasets",
        {"nsets": int(max_rows)},
        decode=_decode_list,
        lifetime=self.conf.list_seconds,
        cache=cache,
        envelope=False,
    )
    if not len(rows):
        warn(
            f"{self.service} lists no dataset that this key may see",
            NoResultsWarning,
        )
    return build_table(rows, meta=self._meta(when, query="list_datasets"))


def get_dataset(self: LCCServerQuery, setid: str, *, cache: bool | None = None) -> Table:
    """Fetch a dataset, the result of a search, with all of its rows.

    Parameters
    ----------
    setid : str
        Its name: ``meta["setid"]`` of a result, or from `list_datasets`.
    cache : bool, optional
        Whether a stored dataset is used, for ``conf.dataset_seconds``.

    Returns
    -------
    `~astropy.table.Table`
        A row for each object: ``objectid``, ``ra`` and ``dec`` (deg), ``collection``,
        and what the search asked for, with units; ``separation`` (arcsec) is the
        server's own. ``meta`` has ``setid``, ``status``, ``search``, ``arguments`` (JSON),
        and ``light_curves``, the path of the ZIP where there is one.

    Raises
    ------
    NotFoundError
        If the server does not have it: not yet, not for this key, or because the
        search found nothing.
    LoginError
        If it is another's, and private.

    Warns
    -----
    MaxResultsWarning
        If more objects matched than it has.

    References
    ----------
    ``GET /set/<setid>?json=1`` of the LCC-Server.

    Examples
    --------
    >>> from atlasquery import LCCServer
    >>> found = LCCServer.query_criteria("sdssr < 10")
    >>> again = LCCServer.get_dataset(found.meta["setid"])
    >>> len(again) == len(found)
    True
    """
    dataset = read_dataset(self, check_setid(setid), cache=cache)
    if dataset.total > len(dataset.rows):
        warn(
            f"{dataset.total} objects matched, of which the dataset has {len(dataset.rows)}",
            MaxResultsWarning,
        )
    return build_table(dataset.rows, meta=_dataset_meta(self, dataset, query="get_dataset"))


def _dataset_meta(client: LCCServerQuery, dataset: Dataset, **query) -> dict:
    about = {**dataset.about, "setid": dataset.setid, "status": dataset.status}
    if dataset.light_curves:
        about["light_curves"] = dataset.light_curves
    return client._meta(dataset.when, **query) | about


def read_dataset(client: LCCServerQuery, setid: str, *, cache: bool | None = None) -> Dataset:
    """Return a dataset; only one that is complete, and not hidden, is taken from the store."""
    began = time.time()

    def fetch(lifetime: float) -> tuple[Dataset, float]:
        return client._fetch(
            f"set/{setid}",
            {"json": 1},
            decode=lambda body: _dataset_of(body, setid),
            lifetime=lifetime,
            cache=cache,
            envelope=False,
            unknown=f"a dataset {setid}, or does not show it to this key",
        )

    dataset, when = fetch(client.conf.dataset_seconds)
    # To all anonymous keys the stored answers are the same, but not those of the server.
    hidden = dataset.about.get("visibility") in HIDDEN
    if when < began and (hidden or not dataset.complete):
        dataset, when = fetch(0.0)
    dataset.when = when
    return dataset
