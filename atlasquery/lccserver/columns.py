"""Columns of an LCC-Server: those that it always sends, and those that it describes."""

import functools
import html
import re
from collections.abc import Iterable, Mapping

import astropy.units as u
import msgspec

from atlasquery.exceptions import TableParseError
from atlasquery.tables import Column, Columns, Rows, Timestamp, decode_rows

__all__ = [
    "ALWAYS",
    "COLLECTION",
    "DATASET",
    "REPEATED",
    "Description",
    "decode_result",
    "described_column",
    "plain_words",
    "unit_of",
]


class Description(msgspec.Struct, frozen=True):
    """The description of a column by the server.

    Parameters
    ----------
    dtype : str, optional
        Its type, as numpy names it.
    desc, description : str, optional
        What it means, by the names of datasets and of collections.
    title : str, optional
        Its heading, with markup.
    """

    dtype: str | None = None
    desc: str | None = None
    description: str | None = None
    title: str | None = None


#: Columns of all rows, by the name on the wire.
ALWAYS = {
    column.wire: column
    for column in (
        Column("db_oid", str, to="objectid", about="Name of the object in its collection.",
               required=True),
        Column("db_ra", to="ra", unit=u.deg, about="Right ascension, J2000.", required=True),
        Column("db_decl", to="dec", unit=u.deg, about="Declination, J2000.", required=True),
        Column("dist_arcsec", to="separation", unit=u.arcsec,
               about="Distance from the position asked for, as the server computes it."),
        Column("collection", str, about="The collection, by the name that searches take."),
        Column("db_lcfname", str, to="lcfname", about="Path of the light curve at the server."),
        Column("owner", int, about="Number of the owner of the object."),
        Column("visibility", str, about="Who may see the object."),
        Column("sharedwith", str, about="Users that the object is shared with."),
    )
}  # fmt: skip
# Columns that repeat another one of the same row: those of the tree of cone searches, and those of
# the catalogue.
REPEATED = {
    "kdtree_oid": "db_oid", "kdtree_ra": "db_ra", "kdtree_decl": "db_decl", "objectid": "db_oid",
    "ra": "db_ra", "decl": "db_decl", "lcfname": "db_lcfname",
}  # fmt: skip

COLLECTION = Columns(
    "a collection",
    Column("db_collection_id", str, to="collection", required=True,
           about="The name that searches take."),
    Column("collection_id", str, about="The name of its folder, in addresses of light curves."),
    Column("name", str, about="Its title."),
    Column("description", str, about="What it is, without markup."),
    Column("project", str),
    Column("datarelease", str),
    Column("nobjects", int, about="Objects in it."),
    Column("minra", to="ra_min", unit=u.deg, about="Least right ascension."),
    Column("maxra", to="ra_max", unit=u.deg, about="Greatest right ascension."),
    Column("mindecl", to="dec_min", unit=u.deg, about="Least declination."),
    Column("maxdecl", to="dec_max", unit=u.deg, about="Greatest declination."),
    Column("lcmagcols", str, about="Magnitude columns of its light curves."),
    Column("lcformatkey", str, about="Name of the format of its original light curves."),
    Column("lcformatdesc", str, about="Path of the description of that format."),
    Column("last_updated", Timestamp, about="When it was last changed."),
    Column("citation", str),
    Column("collection_owner", int, to="owner"),
    Column("collection_visibility", str, to="visibility"),
    Column("collection_sharedwith", str, to="sharedwith"),
)  # fmt: skip

DATASET = Columns(
    "a dataset",
    Column("setid", str, required=True, about="Its name, which get_dataset takes."),
    Column("nobjects", int, about="Rows in it."),
    Column("created_on", Timestamp, to="created", about="When its search began."),
    Column("last_updated", Timestamp, to="updated", about="When it was last changed."),
    Column("query_type", str, about="The search that it is the result of."),
    Column("query_params", str, about="What was asked, as JSON."),
    Column("queried_collections", str, to="collections", about="Where it was searched."),
    Column("name", str),
    Column("description", str),
    Column("citation", str),
    Column("dataset_visibility", str, to="visibility", about="Who may see it."),
    Column("dataset_owner", int, to="owner"),
    Column("dataset_sharedwith", str, to="sharedwith"),
    Column("owned", bool, about="Whether it was created with the key in use."),
    Column("dataset_csv", str, to="csv", about="Path of a table of it at the server."),
    Column("lczip_fpath", str, to="light_curves",
           about="Path of the ZIP of its light curves, where there is one."),
    Column("dataset_fpath", str, to="pickle", about="Path of a pickle, which is not to be read."),
    Column("dataset_sessiontoken", str, to="sessiontoken"),
)  # fmt: skip

BRACKETS = re.compile(r"\[([^\]]+)\]")
# Units without brackets in the descriptions of the server.
UNITS_IN_WORDS = (
    (re.compile(r"\bin milliarcsec"), u.mas),
    (re.compile(r"\b(?:in|distance) arcsec"), u.arcsec),
    (re.compile(r"\bmagnitude(?: in \S+ filter)?$"), u.mag),
)
SPELLED = {
    "decimal degrees": "deg",
    "degrees": "deg",
    "days": "d",
    "jd": "d",
    "arcseconds": "arcsec",
}
KINDS = {"f": float, "i": int, "u": int, "U": str, "S": str, "b": bool}


def plain_words(markup: str | None) -> str:
    """Return a text of the server without its markup.

    Parameters
    ----------
    markup : str or None
        HTML.

    Returns
    -------
    str
        One line.
    """
    return " ".join(html.unescape(re.sub(r"<[^>]*>", "", markup or "")).split())


def unit_of(*descriptions: str) -> u.UnitBase | None:
    """Return the unit that a description names.

    Parameters
    ----------
    *descriptions : str
        Descriptions of a column, without markup, such as ``"total proper motion [mas/yr]"``.

    Returns
    -------
    `~astropy.units.UnitBase` or None
        None if no description names one.
    """
    for text in descriptions:
        for inside in BRACKETS.findall(text):
            word = inside.strip().removeprefix("J2000 ").lower()
            unit = u.Unit(SPELLED.get(word, word), parse_strict="silent")
            if not isinstance(unit, u.UnrecognizedUnit):
                return unit
    for text in descriptions:
        for pattern, unit in UNITS_IN_WORDS:
            if pattern.search(text):
                return unit
    return None


@functools.lru_cache(maxsize=4096)
def described_column(wire: str, description: Description, *, to: str = "") -> Column | None:
    """Return the declaration of a column that the server describes.

    Parameters
    ----------
    wire : str
        Its name.
    description : Description
        Its description by the server.
    to : str, optional
        Its public name, where that is another.

    Returns
    -------
    Column or None
        None if the type is not known.
    """
    letter = re.match(r"[<>=|]?([a-zA-Z])", description.dtype or "")
    kind = KINDS.get(letter[1]) if letter else None
    if kind is None:
        return None
    about = plain_words(description.desc or description.description)
    # Names and numbers of objects have no unit, whatever their description mentions.
    unit = unit_of(about, plain_words(description.title)) if kind is float else None
    return Column(wire, kind, to=to, unit=unit, about=about)


@functools.lru_cache(maxsize=128)
def _declared(described: tuple[tuple[str, Description], ...]) -> Columns:
    columns = []
    for wire, description in described:
        to = f"{wire}_again" if wire in REPEATED else ""
        column = ALWAYS.get(wire) or described_column(wire, description, to=to)
        if column is not None:
            columns.append(column)
    return Columns("a row of a dataset", *columns)


def decode_result(
    text: bytes | msgspec.Raw, described: Mapping[str, Description], order: Iterable[str]
) -> Rows:
    """Decode the rows of a dataset as the server describes its columns.

    Parameters
    ----------
    text : bytes
        The rows: a JSON array of objects.
    described : mapping of str to Description
        The description of each column.
    order : iterable of str
        The columns, in the order of the server's own table.

    Returns
    -------
    Rows
        Each column once, without those that the server repeats.
    """
    wires = list(dict.fromkeys([*order, *described]))
    given = tuple((wire, described.get(wire, Description())) for wire in wires)
    try:
        rows = decode_rows(_declared(given), text)
    except TableParseError:
        # A description may have the wrong type: then the type is that of the values.
        untyped = tuple((w, d if w in ALWAYS else Description()) for w, d in given)
        rows = decode_rows(_declared(untyped), text)
    return rows.without([f"{a}_again" for a, b in REPEATED.items() if b in wires])
