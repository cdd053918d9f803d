"""Ids and names of many objects: as typed, in a file, in a table, or on a list."""

import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from atlasquery.cli.command import Code, Failure
from atlasquery.cli.options import UserPath

__all__ = ["TextOf", "gather_ids", "id_of", "many_ids", "read_text"]

# Of a name of the TNS the first word is not enough.
TNS = re.compile(r"(?:AT|SN|TDE)\s*\d{4}[a-z]+", re.I)


def many_ids(function: Callable) -> Callable:
    """Give a command ids by argument, and ``--from`` as ``source``.

    Parameters
    ----------
    function : callable
        The callback of a command.

    Returns
    -------
    callable
        The same, with an argument and an option.
    """
    option = click.option(
        "-f",
        "--from",
        "source",
        type=UserPath(exists=True, dir_okay=False, allow_dash=True),
        help="File with an id or a name at the start of each line, or a table with atlas_id; "
        "- is the input.",
    )
    return click.argument("ids", nargs=-1, metavar="[ID]...")(option(function))


def gather_ids(
    atlas: Any, ids: tuple[str, ...], source: Path | None, cache: bool | None
) -> list[int | str]:
    """Return the ids of what was typed and of what a file has; names cost requests.

    Parameters
    ----------
    atlas : AtlasClass
        The client that finds names.
    ids : tuple of str
        The arguments.
    source : `~pathlib.Path` or None
        A file.
    cache : bool or None
        Whether cached responses are used.

    Returns
    -------
    list of int or str
        Ids, in the order given.
    """
    given: list[Any] = [one.strip() for one in ids]
    if source:
        given += _read_ids(source)
    # The id of a table is not a name, even if it is missing or a float: it is refused.
    return [id_of(atlas, one, cache) if isinstance(one, str) else one for one in given]


def id_of(atlas: Any, name: str, cache: bool | None) -> int | str:
    """Return the id of the one object of a name.

    Parameters
    ----------
    atlas : AtlasClass
        The client that finds names.
    name : str
        An id or a name.
    cache : bool or None
        Whether cached responses are used.

    Returns
    -------
    int or str
        The id.

    Raises
    ------
    Failure
        If several objects have that name.
    """
    name = name.strip()
    # Here, so that help does not wait for astropy.
    from atlasquery.atlas.base import is_name

    if not is_name(name):
        return name
    ids = atlas.query_object(name, cache=cache)["atlas_id"].tolist()
    if len(ids) > 1:
        several = ", ".join(map(str, ids[:5])) + (" and more" if len(ids) > 5 else "")
        raise Failure(f"{name} is the name of {len(ids)} objects: {several}", Code.USAGE)
    return ids[0]


class TextOf(io.StringIO):
    """The content of a file as a string, with the file's name.

    Parameters
    ----------
    source : `~pathlib.Path`
        The file; ``-`` for the input.
    """

    def __init__(self, source: Path):
        super().__init__(read_text(source))
        self.name = "the input" if str(source) == "-" else str(source)


def read_text(source: Path) -> str:
    """Return the text of a file, or of the input.

    Parameters
    ----------
    source : `~pathlib.Path`
        The file; ``-`` for the input.

    Returns
    -------
    str
        Its text, without a mark of its encoding.

    Raises
    ------
    Failure
        If it is not text in UTF-8, or UTF-16 with its mark; the line is named.
    """
    with click.open_file(str(source), "rb") as file:
        body = file.read()
    utf16 = body.startswith((b"\xff\xfe", b"\xfe\xff"))
    encoding = "utf-16" if utf16 else "utf-8-sig"
    try:
        return body.decode(encoding)
    except UnicodeDecodeError as error:
        line = body[: error.start].count(b"\n") + 1
        name = "the input" if str(source) == "-" else str(source)
        raise Failure(
            f"line {line} of {name} is not text in {encoding.removesuffix('-sig').upper()}: "
            f"{error.reason}. Convert it, such as with iconv -f latin1 -t utf-8",
            Code.USAGE,
        ) from None


def _read_ids(source: Path) -> list[Any]:
    """Return the ids of a file, of a table, or of what is piped in."""
    from atlasquery.tables.files import EXTENSIONS, read_table

    if str(source) != "-" and source.name.lower().endswith(EXTENSIONS):
        if source.suffix.lower() in (".csv", ".ecsv"):
            read_text(source)
        table = read_table(source)
        if "atlas_id" not in table.colnames:
            raise Failure(f"{source} has no column atlas_id", Code.USAGE)
        return table["atlas_id"].tolist()
    found = []
    for number, line in enumerate(read_text(source).splitlines()):
        text = line.strip().strip('"')
        name = TNS.match(text)
        word = name[0] if name else re.split(r"[\s,]", text, maxsplit=1)[0].strip('"')
        # What this command prints to a pipe begins with a line of names.
        if word and not word.startswith("#") and not (number == 0 and word == "atlas_id"):
            found.append(word)
    return found
