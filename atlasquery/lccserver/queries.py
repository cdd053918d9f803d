"""A search of an LCC-Server as something to keep: what was asked, and where its result is."""

import dataclasses
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from astropy.table import MaskedColumn, Table

from atlasquery.redaction import safe_text
from atlasquery.service.forks import ForkSafeLock
from atlasquery.service.journal import append_change, read_journal, write_journal

__all__ = ["STATES", "LCCQuery", "Part"]

FORMAT = 1
#: What a part of a search can be, in the order of its life.
STATES = {
    "pending": "not sent yet",
    "running": "the server is at it; it has a set id",
    "done": "has a dataset",
    "empty": "nothing matched",
    "failed": "the server could not do it; see message",
}


@dataclass
class Part:
    """One request of a search.

    Parameters
    ----------
    path : str
        The endpoint below the server's address.
    payload : dict
        What is sent.
    conditions : str or None, optional
        The filter, as the server should say that it ran it.
    state : str, optional
        One of `STATES`.
    setid : str or None, optional
        The name of its dataset, once the server has said it.
    matches : int or None, optional
        How many objects matched, where that is known.
    message : str, optional
        The server's last words.
    """

    path: str
    payload: dict
    conditions: str | None = None
    state: str = "pending"
    setid: str | None = None
    matches: int | None = None
    message: str = ""


@dataclass
class LCCQuery:
    """A search, in one part or in several, with the name of the dataset of each.

    Made by the searches of `LCCServerClass` with ``wait=False`` or ``save=``, as ``query``
    of their errors, or by `LCCQuery.load`; `LCCServerClass.fetch` waits for it, and returns
    the table that the search would have. With a file, each change is written to it, so
    that a process that is killed loses nothing.

    Parameters
    ----------
    server : str
        The server that searches.
    kind : str
        The method that made it.
    recipe : dict
        How the table is made of the parts.
    parts : list of Part, optional
        The requests.
    path : `~pathlib.Path`, optional
        The file it is kept in.
    """

    server: str
    kind: str
    recipe: dict
    parts: list[Part] = field(default_factory=list)
    path: Path | None = None

    def __post_init__(self):
        self._lock = ForkSafeLock()
        self._numbers = {id(part): n for n, part in enumerate(self.parts)}

    def __getstate__(self) -> dict:
        # A lock is of its process, and so are the ids of objects.
        return {name: value for name, value in vars(self).items() if not name.startswith("_")}

    def __setstate__(self, state: dict) -> None:
        vars(self).update(state)
        self.__post_init__()

    def __len__(self) -> int:
        return len(self.parts)

    def __iter__(self) -> Iterator[Part]:
        return iter(self.parts)

    def __repr__(self) -> str:
        counted = Counter(part.state for part in self.parts)
        states = ", ".join(f"{counted[state]} {state}" for state in STATES if counted[state])
        ids = self.setids
        named = f", {', '.join(ids[:3])}{', ...' * (len(ids) > 3)}" if ids else ""
        where = f", kept in {self.path}" if self.path else ""
        return safe_text(f"<LCCQuery {self.kind}: {states}{named}{where}>")

    @property
    def setids(self) -> list[str]:
        """The names of its datasets, as far as they are known."""
        return [part.setid for part in self.parts if part.setid]

    @property
    def unfinished(self) -> int:
        """The number of parts of which something is still to become."""
        return sum(part.state in ("pending", "running") for part in self.parts)

    def table(self) -> Table:
        """Return all that is known of the parts.

        Returns
        -------
        `~astropy.table.Table`
            ``setid``, ``state``, ``matches`` (masked while it is not known), ``message`` and
            ``url``, a row for each.
        """
        matches = [part.matches for part in self.parts]
        made = Table(
            {
                "setid": np.array([part.setid or "" for part in self.parts], str),
                "state": np.array([part.state for part in self.parts], str),
                "matches": MaskedColumn(
                    np.array([n or 0 for n in matches], np.int64),
                    mask=[n is None for n in matches],
                ),
                "message": np.array([part.message for part in self.parts], str),
                "url": np.array(
                    [f"{self.server}set/{p.setid}" if p.setid else "" for p in self.parts], str
                ),
            }
        )
        made.meta.update(server=self.server, query=self.kind)
        return made

    def _repr_html_(self) -> str:
        return f"<p>{repr(self)[1:-1]}</p>{self.table()._repr_html_()}"

    def change(self, part: Part, **values) -> None:
        """Note what became of a part, in the file too.

        Parameters
        ----------
        part : Part
            The part.
        **values
            Its new values, by name.
        """
        with self._lock:
            for name, value in values.items():
                setattr(part, name, value)
            if self.path is None:
                return
            try:
                change = {"part": self._numbers[id(part)], **values}
                append_change(self.path, change, what="query")
            except FileNotFoundError:
                self._keep()

    def save(self, path: str | os.PathLike) -> None:
        """Keep the query in a file from now on.

        Parameters
        ----------
        path : path-like
            The file, which is replaced as a whole, and is readable by its owner only. It
            holds no key.

        Raises
        ------
        InvalidQueryError
            If it cannot be written.
        """
        with self._lock:
            self.path = Path(path).expanduser().absolute()
            self._keep()

    def _keep(self) -> None:
        content = {
            "format": FORMAT,
            "server": self.server,
            "kind": self.kind,
            "recipe": self.recipe,
            "parts": [dataclasses.asdict(part) for part in self.parts],
        }
        write_journal(self.path, content, what="query")

    @classmethod
    def load(cls, path: str | os.PathLike) -> "LCCQuery":
        """Take up a query that another process has kept.

        Parameters
        ----------
        path : path-like
            The file.

        Returns
        -------
        LCCQuery
            As it was last known; `LCCServerClass.fetch` finds what became of it.

        Raises
        ------
        InvalidQueryError
            If there is no such file, or it is none of ours.
        """

        def made(content: dict, place: Path) -> LCCQuery:
            parts = [Part(**part) for part in content["parts"]]
            for change in content.get("changes", []):
                number = change.pop("part")
                if not 0 <= number < len(parts):
                    raise ValueError(f"it has no part {number}")
                parts[number] = dataclasses.replace(parts[number], **change)
            if any(part.state not in STATES for part in parts):
                raise ValueError("a part has a state that is not known")
            return cls(content["server"], content["kind"], content["recipe"], parts, place)

        return read_journal(path, made, version=FORMAT, what="query")
