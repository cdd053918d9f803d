"""Datasets: the results that an LCC-Server keeps of searches."""

import time
from dataclasses import dataclass, field
from typing import Any

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
    "LCCDataset",
    "check_setid",
    "dataset_payload",
    "decode_dataset",
    "get_dataset",
    "list_datasets",
    "read_dataset",
]

# Without it a dataset is a page.
DATASET_PARAMS = {"json": 1}
# See docs/servers/lccserver.rst, "List of datasets".
MOST_DATASETS = 1000
#: The visibilities with which the server shows a dataset only to the key of its search.
HIDDEN = ("private", "shared")


class _SentDataset(msgspec.Struct):
    """A dataset as it is sent; its ``rows`` repeat the ``result``, rounded and by the page."""

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
    lczipfpath: str | None = None
    dataset_csv: str | None = None
    visibility: str | None = None
    name: str | None = None
    citation: str | None = None


@dataclass
class LCCDataset:
    """A dataset of an LCC-Server.

    Parameters
    ----------
    setid : str
        Its name.
    status : str
        ``"complete"``, or ``"in progress"`` while its light curves are still collected.
    rows : Rows
        All of its rows.
    total : int
        Number of objects that matched, of which it may have fewer.
    light_curves : str or None
        The path of the ZIP of its light curves; None if there is none.
    csv : str or None
        The path of its table.
    about : dict
        Its description: ``created``, ``updated``, ``search``, ``arguments`` and more.
    when : float
        The Unix time at which it was read.
    """

    setid: str
    status: str
    rows: Rows
    total: int
    light_curves: str | None = None
    csv: str | None = None
    about: dict = field(default_factory=dict)
    when: float = 0.0

    @property
    def complete(self) -> bool:
        """Whether it will not change."""
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
        If it is not a name.
    """
    text = setid.strip() if isinstance(setid, str) else ""
    plain = text.replace("-", "").replace("_", "").isalnum() and text.isascii()
    if not plain or len(text) > 64:
        raise InvalidQueryError(
            f"setid={setid!r:.100} is not the name of a dataset, such as 'qbeiD6HI2iw': see "
            "meta['setid'] of a result, or list_datasets"
        )
    return text


def decode_dataset(body: bytes) -> LCCDataset:
    """Decode a dataset.

    Parameters
    ----------
    body : bytes
        The response of ``/set/<setid>?json=1``.

    Returns
    -------
    LCCDataset
        With all of its rows.
    """
    wire = msgspec.json.decode(body, type=_SentDataset)
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
    return LCCDataset(
        wire.setid,
        wire.status,
        rows,
        total,
        wire.lczipfpath,
        wire.dataset_csv,
        {key: value for key, value in about.items() if value is not None},
    )


def _dataset_of(body: bytes, setid: str) -> LCCDataset:
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
    self: LCCServerQuery,
    *,
    max_rows: int = 1000,
    cache: bool | None = None,
    get_query_payload: bool = False,
) -> Table:
    """List the newest datasets that the key in use may see.

    Parameters
    ----------
    max_rows : int, optional
        Number of the newest datasets of the server, up to 1000; those of other users
        that are not public are left out.
    cache : bool, optional
        Whether a cached response is used, for ``conf.list_seconds``.
    get_query_payload : bool, optional
        Whether to return what would be sent, and send nothing.

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
    >>> found.meta["setid"] in LCCServer.list_datasets(cache=False)["setid"]
    True
    """
    is_count = isinstance(max_rows, (int, np.integer)) and not isinstance(max_rows, bool)
    if not is_count or not 0 < max_rows <= MOST_DATASETS:
        raise InvalidQueryError(
            f"max_rows={max_rows!r} should be a whole number from 1 to {MOST_DATASETS}, the "
            "most that the server lists"
        )
    params = {"nsets": int(max_rows)}
    if get_query_payload:
        return self._payload("api/datasets", params)
    rows, when = self._fetch(
        "api/datasets",
        params,
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


def get_dataset(
    self: LCCServerQuery, setid: str, *, cache: bool | None = None, get_query_payload: bool = False
) -> Table:
    """Fetch a dataset, the result of a search, with all of its rows.

    Parameters
    ----------
    setid : str
        Its name: ``meta["setid"]`` of a result, or from `list_datasets`.
    cache : bool, optional
        Whether a cached dataset is used, for ``conf.dataset_seconds``.
    get_query_payload : bool, optional
        Whether to return what would be sent, and send nothing.

    Returns
    -------
    `~astropy.table.Table`
        A row for each object: ``objectid``, ``ra`` and ``dec`` (deg), ``collection``,
        and the columns of the search, with units; ``separation`` (arcsec) is that
        of the server. ``meta`` has ``setid``, ``status``, ``search``, ``arguments`` (JSON),
        and ``light_curves``, the path of the ZIP where there is one.

    Raises
    ------
    NotFoundError
        If the server does not have it: not yet, not for this key, or because the
        search found nothing.
    LoginError
        If it is private, and of another user.

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
    name = check_setid(setid)
    if get_query_payload:
        return dataset_payload(self, name)
    dataset = read_dataset(self, name, cache=cache)
    if dataset.total > len(dataset.rows):
        warn(
            f"{dataset.total} objects matched, of which the dataset has {len(dataset.rows)}",
            MaxResultsWarning,
        )
    return build_table(dataset.rows, meta=_dataset_meta(self, dataset, query="get_dataset"))


def _dataset_meta(client: LCCServerQuery, dataset: LCCDataset, **query: object) -> dict:
    about = {**dataset.about, "setid": dataset.setid, "status": dataset.status}
    if dataset.light_curves:
        about["light_curves"] = dataset.light_curves
    return client._meta(dataset.when, **query) | about


def dataset_payload(client: LCCServerQuery, setid: str) -> Any:
    """Return what is sent for a dataset."""
    return client._payload(f"set/{setid}", DATASET_PARAMS)


def read_dataset(client: LCCServerQuery, setid: str, *, cache: bool | None = None) -> LCCDataset:
    """Return a dataset; only one that is complete, and not hidden, is taken from the cache."""
    began = time.time()

    def fetch(lifetime: float) -> tuple[LCCDataset, float]:
        return client._fetch(
            f"set/{setid}",
            DATASET_PARAMS,
            decode=lambda body: _dataset_of(body, setid),
            lifetime=lifetime,
            cache=cache,
            envelope=False,
            unknown=f"a dataset {setid}, or does not show it to this key",
        )

    dataset, when = fetch(client.conf.dataset_seconds)
    # The cache is shared by all anonymous keys, but the server denies such a dataset to others.
    hidden = dataset.about.get("visibility") in HIDDEN
    if when < began and (hidden or not dataset.complete):
        dataset, when = fetch(0.0)
    dataset.when = when
    return dataset
