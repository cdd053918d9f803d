"""Objects by name: ATLAS ids, designations, and names of other surveys and catalogues."""

import re
from functools import partial

import astropy.units as u
import msgspec
import numpy as np
from astropy.coordinates import Angle, SkyCoord
from astropy.coordinates.name_resolve import NameResolveError
from astropy.table import Table

from atlasquery.atlas.base import AtlasQuery, check_atlas_ids, objects_payload
from atlasquery.atlas.columns import CROSSMATCH
from atlasquery.atlas.cones import query_region
from atlasquery.atlas.items import METADATA_ONLY, ObjectId
from atlasquery.exceptions import NoResultsWarning, NotFoundError, TableParseError
from atlasquery.service.failures import some
from atlasquery.service.inputs import check_names, check_radius
from atlasquery.service.query import Payload, one_or_all
from atlasquery.tables import build_table, decode_rows
from atlasquery.warn import warn, without_warnings

__all__ = ["atlas_name", "find_ids", "name_payloads", "query_external_names", "tns_name"]

# An id, or one with some digits too many or too few.
ID = re.compile(r"\d{15,}")
# Years with more transients need more letters: ATLAS16bk, ATLAS20bbfr; SN 1987A, AT 2020tjh.
ATLAS = re.compile(r"ATLAS\s*(\d{2}[a-z]{2,})", re.IGNORECASE)
TNS = re.compile(r"(?:AT|SN|TDE|FRB)?\s*((?:19|20)\d{2})([a-z]{1,5})", re.IGNORECASE)
# Lists that hold objects with a designation, likeliest first: good, follow_up, possible, attic,
# and the rest. Of garbage (0) and eyeball (4) few have one, and they are by far the longest.
NAMED_LISTS = (2, 1, 3, 5, 8, 7, 6, 11, 10, 9, 12, 13, 4, 0)


def query_external_names(
    self: AtlasQuery,
    names: str | list[str],
    *,
    cache: bool | None = None,
    get_query_payload: bool = False,
) -> Table:
    """Find the objects that have names in other surveys.

    Parameters
    ----------
    names : str or sequence of str
        Names as TNS (with or without AT or SN), ZTF, Pan-STARRS and others give.
    cache : bool, optional
        Whether cached responses are used.
    get_query_payload : bool, optional
        Whether to return what would be sent, and send nothing.

    Returns
    -------
    `~astropy.table.Table`
        A row for each match: ``query_index`` (into `names`), ``query_name``,
        then the columns of `get_tns_crossmatches`.

    Raises
    ------
    InvalidQueryError
        If a name is empty or has a character that is not allowed.

    Warns
    -----
    NoResultsWarning
        If ATLAS does not have some of the names.

    References
    ----------
    The ``externalxmlist/`` endpoint of the ATLAS Transient Server.

    Examples
    --------
    >>> from atlasquery import Atlas
    >>> payload = Atlas.query_external_names(["AT 2020tjh"], get_query_payload=True)
    >>> payload
    {'externalObjects': '2020tjh'}
    """
    requested = check_names(names, name="names")
    payload = _external_payload(requested)
    if get_query_payload:
        return payload
    groups, when = self._read(
        "externalxmlist/",
        payload,
        decode=partial(_decode_groups, requested),
        lifetime=self.conf.list_seconds,
        cache=cache,
    )
    sizes = [len(group) for group in groups]
    if missing := [name for name, size in zip(requested, sizes, strict=True) if not size]:
        warn(f"ATLAS has no object with the name {some(missing)}", NoResultsWarning)
    rows = decode_rows(CROSSMATCH, *(msgspec.json.encode(group) for group in groups))
    index = np.repeat(np.arange(len(requested)), sizes)
    table = build_table(rows, meta=self._meta(when, query="query_external_names"))
    table.add_column(np.array(requested, dtype=np.str_)[index], index=0, name="query_name")
    table.add_column(index, index=0, name="query_index")
    table["query_index"].info.description = "Index of the name requested."
    table["query_name"].info.description = "The name requested."
    return table


def find_ids(
    client: AtlasQuery, name: str, cache: bool | None, radius: Angle = 5 * u.arcsec
) -> tuple[list[int], str]:
    """Return the ids of the objects with a name, and how they were found."""
    check_radius(radius)
    (text,) = check_names(name, name="name")
    if re.fullmatch(ID, text):
        return check_atlas_ids(text, name="name"), "ATLAS id"
    if designation := atlas_name(text):
        return _ids_by_designation(client, designation, cache), "ATLAS designation"
    if ids := _ids_by_external_name(client, text, cache):
        return ids, "name in another survey"
    return _ids_by_resolver(client, text, radius, cache), "position from Sesame"


def name_payloads(client: AtlasQuery, name: str, radius: Angle) -> Payload:
    """Return the requests for the objects of a name that depend on no response."""
    check_radius(radius)
    (text,) = check_names(name, name="name")
    if re.fullmatch(ID, text):
        requests = [
            ("objects/", objects_payload(check_atlas_ids(text, name="name"), METADATA_ONLY))
        ]
    elif designation := atlas_name(text):
        requests = [("objectlist/", payload) for payload in _list_payloads(designation)]
    else:
        requests = [("externalxmlist/", _external_payload([text]))]
    return one_or_all([{"url": client.server + path, **sent} for path, sent in requests])


def _list_payloads(designation: str) -> list[dict]:
    """Return what is sent to find a designation on lists, the likeliest first."""
    # A designation is given when an object is put on a list, and so not before its year.
    year = 2000 + int(designation[5:7])
    return [
        {"objectlistid": number, "datethreshold": f"{year - 1}-12-31T00:00:00"}
        for number in NAMED_LISTS
    ]


def _external_payload(names: list[str]) -> dict:
    # The server has TNS names without AT or SN: docs/servers/atlas.rst, "External names".
    return {"externalObjects": ",".join(tns_name(name) or name for name in names)}


def _ids_by_designation(client: AtlasQuery, designation: str, cache: bool | None) -> list[int]:
    for payload in _list_payloads(designation):
        entries, _ = client._read(
            "objectlist/",
            payload,
            decode=_listed.decode,
            lifetime=client._lifetime("list"),
            cache=cache,
        )
        if ids := [e.id for e in entries if e.atlas_designation == designation]:
            return ids
    raise NotFoundError(f"No list of ATLAS has {designation}", service=client.service)


def _ids_by_external_name(client: AtlasQuery, name: str, cache: bool | None) -> list[int]:
    with without_warnings(NoResultsWarning):
        found = query_external_names(client, name, cache=cache)
    return list(dict.fromkeys(found["atlas_id"].tolist()))


def _ids_by_resolver(client: AtlasQuery, name: str, radius: Angle, cache: bool | None) -> list[int]:
    try:
        position = SkyCoord.from_name(name)
    except NameResolveError as error:
        raise NotFoundError(
            f"ATLAS has no object with the name {name!r}, and Sesame does not resolve it: {error}",
            service=client.service,
        ) from error
    with without_warnings(NoResultsWarning):
        found = query_region(client, position, radius=radius, cache=cache)
    if not len(found):
        raise NotFoundError(
            f"ATLAS has no object with the name {name!r}, and none within {radius} of "
            f"{position.to_string('hmsdms')}, where Sesame places it",
            service=client.service,
        )
    return found["atlas_id"].tolist()


def atlas_name(name: str) -> str | None:
    """Return an ATLAS designation as the survey spells it, or None for other names.

    Parameters
    ----------
    name : str
        A name.

    Returns
    -------
    str or None
        Such as ``"ATLAS20bbfr"``.
    """
    found = ATLAS.fullmatch(name)
    return f"ATLAS{found[1].lower()}" if found else None


def tns_name(name: str) -> str | None:
    """Return a name of the Transient Name Server without AT or SN, or None for other names.

    Parameters
    ----------
    name : str
        A name.

    Returns
    -------
    str or None
        Such as ``"2020tjh"``, or ``"1987A"``: a single letter is a capital.
    """
    found = TNS.fullmatch(name)
    if not found:
        return None
    letters = found[2].upper() if len(found[2]) == 1 else found[2].lower()
    return found[1] + letters


class _Listed(msgspec.Struct):
    id: ObjectId
    atlas_designation: str | None = None


_listed = msgspec.json.Decoder(list[_Listed])
_groups = msgspec.json.Decoder(list[list[msgspec.Raw]])


def _decode_groups(requested: list[str], body: bytes) -> list[list[msgspec.Raw]]:
    groups = _groups.decode(body)
    if len(groups) != len(requested):
        raise TableParseError(f"ATLAS returned {len(groups)} names when asked for {len(requested)}")
    return groups
