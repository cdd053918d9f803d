"""Check the arguments of searches against the columns of the collections."""

import json
import re
from collections.abc import Mapping

import numpy as np

from atlasquery.exceptions import InvalidQueryError
from atlasquery.lccserver.catalogue import split_names
from atlasquery.lccserver.columns import Description
from atlasquery.service.inputs import check_choice, suggest

__all__ = [
    "VISIBILITIES",
    "check_columns",
    "check_count",
    "check_sort",
    "check_text",
    "refuse_joined",
    "shared_payload",
]

#: Who may see the dataset of a search.
VISIBILITIES = ("unlisted", "public", "private", "shared")
DIRECTIONS = ("asc", "desc")
# Columns of both tables that a cone search joins: a filter on them finds nothing, without an error.
JOINED = ("ra", "decl", "objectid")
# Least and greatest length of a text as the server counts it, with its quotes as "&quot;".
TEXT_LENGTH = (3, 1024)
# Columns of all rows, as db_oid, db_ra, db_decl and db_lcfname.
ALWAYS_SENT = {
    "objectid": "objectid",
    "ra": "ra",
    "decl": "dec",
    "dec": "dec",
    "lcfname": "lcfname",
}


def check_columns(columns: object, available: Mapping[str, Description]) -> list[str]:
    """Return the columns to request, besides those of all rows.

    Parameters
    ----------
    columns : str, sequence of str or None
        Their names; ``"*"`` for all of them.
    available : mapping of str to Description
        Those that the collections have.

    Returns
    -------
    list of str
        Each once, without those that are returned anyway.

    Raises
    ------
    InvalidQueryError
        If there is no such column.
    """
    if columns is None:
        return []
    if isinstance(columns, str) and columns.strip() == "*":
        return [name for name in available if name not in ALWAYS_SENT]
    found = [_known(name, available, "columns") for name in split_names(columns, "columns")]
    return [name for name in dict.fromkeys(found) if name not in ALWAYS_SENT]


def check_sort(sort: object, available: Mapping[str, Description]) -> list[tuple[str, str]]:
    """Return the order of the rows.

    Parameters
    ----------
    sort : str, sequence or None
        A column, with a minus before it for the greatest first; a pair of a column and
        ``"asc"`` or ``"desc"``; or a list of such.
    available : mapping of str to Description
        The columns that the collections have.

    Returns
    -------
    list of tuple
        Pairs (column, direction).

    Raises
    ------
    InvalidQueryError
        If it is something else.
    """
    if sort is None:
        return []
    terms: list[object] = []
    if isinstance(sort, str):
        terms = [sort]
    elif isinstance(sort, (list, tuple)):
        pair = len(sort) == 2 and str(sort[1]).lower() in DIRECTIONS
        terms = [tuple(sort)] if pair else list(sort)
    if not terms:
        raise InvalidQueryError(
            f"sort={sort!r:.100} should be a column, such as 'sdssr' or '-sdssr', or a list of them"
        )
    order: list[tuple[str, str]] = []
    for term in terms:
        if isinstance(term, str):
            term = (term.strip().lstrip("-"), "desc" if term.strip().startswith("-") else "asc")
        if not isinstance(term, (list, tuple)) or len(term) != 2:
            raise InvalidQueryError(
                f"sort={term!r:.100} should be a column or a pair such as ('sdssr', 'desc')"
            )
        name, direction = term[0], str(term[1]).lower()
        check_choice(direction, name="the direction of sort", known=DIRECTIONS)
        order.append((_known(name, available, "sort"), direction))
    return order


def check_count(value: object, name: str) -> int | None:
    """Return a number of rows.

    Parameters
    ----------
    value : int or None
        None for no limit.
    name : str
        The argument's name, for messages.

    Returns
    -------
    int or None
        Above 0.

    Raises
    ------
    InvalidQueryError
        If it is not a whole number above 0: the server would ignore it, and send all.
    """
    if value is None:
        return None
    if (
        isinstance(value, (int, np.integer))
        and not isinstance(value, (bool, np.bool_))
        and value > 0
    ):
        return int(value)
    raise InvalidQueryError(f"{name}={value!r:.100} should be a whole number above 0")


def check_text(text: object, searched: list[str]) -> str:
    """Return words to search for as the server takes them.

    Parameters
    ----------
    text : str
        The words.
    searched : list of str
        The columns with text search.

    Returns
    -------
    str
        On one line.

    Raises
    ------
    InvalidQueryError
        If the server would read it as something else.
    """
    words = " ".join(text.split()) if isinstance(text, str) else ""
    escaped = re.sub(r'["&<>\']', "&quot;", words)
    least, most = TEXT_LENGTH
    if len(words) < least or len(escaped) > most:
        raise InvalidQueryError(
            f"text={text!r:.100} should have {least} to {most} characters, of which a quote counts "
            "as six; for a short word name its column, as in 'objecttags:\"RR\"'"
        )
    if words.count('"') % 2:
        raise InvalidQueryError(f"text={text!r:.100} has a double quote that is not closed")
    if re.search(r"^(AND|OR|NOT)\b|\b(AND|OR|NOT)$", words):
        raise InvalidQueryError(f"text={text!r:.100} has no words next to AND, OR or NOT")
    bare = re.sub(r'"[^"]*"', "", words)
    if bare.count("(") != bare.count(")"):
        # The server reads other text as a phrase, and finds nothing.
        raise InvalidQueryError(f"text={text!r:.100} has a parenthesis that is not closed")
    for name in re.findall(r"(\w+)\s*:", bare):
        if name not in searched:
            raise InvalidQueryError(
                f"text={text!r:.100} names {name!r}, which is not a column with text search"
                f"{suggest(name, searched)}"
            )
    return words


def refuse_joined(filters: str | None, used: list[str]) -> None:
    """Refuse a filter with which the server would find nothing in a circle.

    Parameters
    ----------
    filters : str or None
        The filter.
    used : list of str
        The columns in it.

    Raises
    ------
    InvalidQueryError
        If one of them is in both tables that the server joins.
    """
    wrong = [name for name in used if name in JOINED]
    if wrong:
        raise InvalidQueryError(
            f"filters={filters!r:.200} has {wrong[0]}, by which the server cannot filter in a "
            "circle: it would find nothing. Cut the result by it, or use query_criteria"
        )


def shared_payload(
    *,
    collections: list[str],
    columns: list[str],
    filters: str | None,
    sort: list[tuple[str, str]],
    sample: int | None,
    limit: int | None,
    visibility: str,
) -> dict:
    """Return the parameters of all searches.

    Parameters
    ----------
    collections, columns : list of str
        Their names.
    filters : str or None
        In the server's syntax.
    sort : list of tuple
        Pairs (column, direction).
    sample, limit : int or None
        Numbers of rows.
    visibility : str
        Who may see the dataset.

    Returns
    -------
    dict
        Parameters by their wire names.
    """
    check_choice(visibility, name="visibility", known=VISIBILITIES)
    payload: dict = {"visibility": visibility}
    if collections:
        payload["collections[]"] = collections
    if columns:
        payload["columns[]"] = columns
    if filters:
        payload["filters"] = filters
    if sort:
        # In double quotes: see docs/servers/lccserver.rst, "Sorting and sampling".
        payload["sortspec"] = json.dumps([list(term) for term in sort])
    if sample:
        payload["samplespec"] = str(sample)
    if limit:
        payload["limitspec"] = str(limit)
    return payload


def _known(name: object, available: Mapping[str, Description], argument: str) -> str:
    wire = name.strip() if isinstance(name, str) else str(name)
    if wire == "dec" and wire not in available:
        wire = "decl"
    if wire not in available:
        raise InvalidQueryError(
            f"{argument}={name!r:.100} is not a column of all of the collections searched"
            f"{suggest(wire, available)}"
        )
    return wire
