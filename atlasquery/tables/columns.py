"""Declare once what a server sends: wire name, type, public name, unit, meaning."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import astropy.units as u

__all__ = ["INT64", "Column", "Columns", "Nested", "Quoted", "Timestamp"]

#: Whole numbers that fit into a column of them.
INT64 = range(-(2**63), 2**63)


class Timestamp(str):
    """The kind of a column of ISO 8601 time stamps in UTC, read into `~astropy.time.Time`."""

    __slots__ = ()


class Nested(str):
    """The kind of a key that holds an object or a list, which is left undecoded."""

    __slots__ = ()


class Quoted(int):
    """The kind of a column of whole numbers that the server writes in quotes."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a server's response.

    Parameters
    ----------
    wire : str
        Its key in the server's rows.
    kind : type, optional
        `float`, `int`, `str`, `bool`, `Timestamp`, `Quoted` or `Nested`.
    to : str, optional
        Its public name, if that differs from the key.
    unit : `~astropy.units.UnitBase`, optional
        The unit of its values.
    about : str, optional
        What it means.
    required : bool, optional
        Whether a row without it is an error instead of a masked value.
    """

    wire: str
    kind: type = float
    to: str = ""
    unit: u.UnitBase | None = None
    about: str = ""
    required: bool = False
    #: The public name; kept, because each answer asks for it several times.
    name: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", self.to or self.wire)


class Columns:
    """The columns of one kind of row, in the order in which they are shown.

    Parameters
    ----------
    what : str
        What a row is, for messages: ``"a detection"``.
    *columns : Column
        The declarations.
    """

    def __init__(self, what: str, *columns: Column):
        self.what = what
        self.by_wire = {column.wire: column for column in columns}
        self.by_name = {column.name: column for column in columns}
        if not len(self.by_wire) == len(self.by_name) == len(columns):
            raise ValueError(f"{what} declares a column twice")

    def __iter__(self) -> Iterator[Column]:
        return iter(self.by_wire.values())

    def __len__(self) -> int:
        return len(self.by_wire)

    def __repr__(self) -> str:
        return f"<Columns of {self.what}: {', '.join(self.by_name)}>"
