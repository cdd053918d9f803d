"""What an endpoint knows of a request, and what may be an id."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from .accounts import User
from .database import Database
from .population import Population

__all__ = ["Call", "within_int64"]

_INT64 = 2**63


class Call(NamedTuple):
    """What an endpoint knows of a request besides its parameters.

    Attributes
    ----------
    database : Database
        The sandbox's data.
    user : User
        User that sends the request.
    now : float
        The server's time, in seconds since 1970.
    population : Population
        The objects whose light curves are not in the database.
    """

    database: Database
    user: User
    now: float
    population: Population

    def select(self, columns: tuple, rest: str, values: Sequence | Mapping = ()) -> list[dict]:
        """Return rows with the given columns.

        Parameters
        ----------
        columns : tuple of (str, str)
            Wire name and SQL of each column.
        rest : str
            The query from ``from`` on.
        values : sequence or mapping
            Values of the query.

        Returns
        -------
        list of dict
            The rows.
        """
        names = [name for name, _ in columns]
        found = self.database.fetch(f"select {', '.join(sql for _, sql in columns)} {rest}", values)
        return [dict(zip(names, row, strict=True)) for row in found]


def within_int64(number: int) -> bool:
    """Tell whether a number can be an id at all; the server finds nothing for others.

    Parameters
    ----------
    number : int
        A number of any size.

    Returns
    -------
    bool
        True for numbers of 64 bits with a sign.
    """
    return -_INT64 <= number < _INT64
