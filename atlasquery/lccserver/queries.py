"""Searches that can be saved: their requests, and the datasets of their results."""

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
#: The states of a part of a search, in their order.
STATES = {
    "pending": "not sent yet",
    "running": "the server is searching; it has a set id",
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
        Parameters by their wire names.
    conditions : str or None, optional
        The filter, as the server should have run it.
    state : str, optional
        One of `STATES`.
    setid : str or None, optional
        The name of its dataset, once the server has sent it.
    matches : int or None, optional
        Number of objects that matched, if known.
    message : str, optional
        The last message of the server.
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

    Returned by the searches of `LCCServerClass` with ``wait=False`` or ``save=``, as ``query``
    of their errors, or by `LCCQuery.load`; `LCCServerClass.fetch` waits for it, and returns
    the table of the search. With a file, each change is written to it, so that nothing is
    lost when the process is killed.

    Parameters
    ----------
    server : str
        The server that searches.
    kind : str
        The method of the search.
    recipe : dict
        What the table needs besides the datasets.
    parts : list of Part, optional
        The requests.
    path : `~pathlib.Path`, optional
        The file in which it is saved.
    """

    server: str
    kind: str
    recipe: dict
    parts: list[Part] = field(default_factory=list)
    path: Path | None = None

    def __post_init__(self) -> None:
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
        where = f", saved in {self.path}" if self.path else ""
        return safe_text(f"<LCCQuery {self.kind}: {states}{named}{where}>")

    @property
    def setids(self) -> list[str]:
        """The names of its datasets, as far as they are known."""
        return [part.setid for part in self.parts if part.setid]

    @property
    def unfinished(self) -> int:
        """The number of parts that have not ended."""
        return sum(part.state in ("pending", "running") for part in self.parts)

    def table(self) -> Table:
        """Return the state of each part.

        Returns
        -------
        `~astropy.table.Table`
            ``setid``, ``state``, ``matches`` (masked while it is not known), ``message`` and
            ``url``, a row for each.
        """
        matches = [part.matches for part in self.parts]
        table = Table(
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
        table.meta.update(server=self.server, query=self.kind)
        return table

    def _repr_html_(self) -> str:
        return f"<p>{repr(self)[1:-1]}</p>{self.table()._repr_html_()}"

    def change(self, part: Part, **values: object) -> None:
        """Change the state of a part, in the file too.

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
                self._write(self.path)

    def save(self, path: str | os.PathLike) -> None:
        """Save the query in a file, now and when it changes.

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
            self._write(self.path)

    def _write(self, path: Path) -> None:
        content = {
            "format": FORMAT,
            "server": self.server,
            "kind": self.kind,
            "recipe": self.recipe,
            "parts": [dataclasses.asdict(part) for part in self.parts],
        }
        write_journal(path, content, what="query")

    @classmethod
    def load(cls, path: str | os.PathLike) -> "LCCQuery":
        """Load a query that another process has saved.

        Parameters
        ----------
        path : path-like
            The file.

        Returns
        -------
        LCCQuery
            In its last saved state; `LCCServerClass.fetch` resumes it.

        Raises
        ------
        InvalidQueryError
            If there is no such file, or it is not a saved query.
        """

        def build(content: dict, file: Path) -> LCCQuery:
            parts = [Part(**part) for part in content["parts"]]
            for change in content.get("changes", []):
                number = change.pop("part")
                if not 0 <= number < len(parts):
                    raise ValueError(f"it has no part {number}")
                parts[number] = dataclasses.replace(parts[number], **change)
            if any(part.state not in STATES for part in parts):
                raise ValueError("a part has a state that is not known")
            return cls(content["server"], content["kind"], content["recipe"], parts, file)

        return read_journal(path, build, version=FORMAT, what="query")
