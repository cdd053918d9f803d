"""Results of bulk reads: products by id in the order requested, and failures."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

__all__ = ["ResultMapping"]


class ResultMapping(Mapping[Any, Any]):
    """Products of many objects by id, in the order requested.

    Parameters
    ----------
    what : str
        Name of the products, for the repr.
    key : callable, optional
        Converts an id as given by a user to the stored form.
    """

    #: A pair (id, exception) for each object that failed, in the order requested.
    failures: list[tuple[int | str, Exception]]

    def __init__(self, what: str, *, key: Callable[[Any], int | str] = str):
        self.failures = []
        self._what = what
        self._key = key
        self._products: dict[int | str, Any] = {}

    def __getitem__(self, object_id: Any) -> Any:
        try:
            key = self._key(object_id)
        except (TypeError, ValueError):
            raise KeyError(object_id) from None
        try:
            return self._products[key]
        except KeyError:
            reason = dict(self.failures).get(key)
            message = f"{key} failed: {reason}" if reason else f"{key} was not requested"
            raise KeyError(message) from None

    def __iter__(self) -> Iterator[int | str]:
        return iter(self._products)

    def __len__(self) -> int:
        return len(self._products)

    def __repr__(self) -> str:
        failed = f", {len(self.failures)} failed" if self.failures else ""
        return f"<Collection of {len(self)} {self._what}{failed}>"
