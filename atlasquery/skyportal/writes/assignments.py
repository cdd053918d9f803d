"""Targets of observing runs: assigned, changed, taken off."""

from collections.abc import Sequence

from astropy.table import Table

from atlasquery.exceptions import InvalidQueryError, RemoteServiceError
from atlasquery.service.write_outcomes import WriteOutcome
from atlasquery.skyportal.base import SkyPortalQuery
from atlasquery.skyportal.reads.names import check_number_id, each_source
from atlasquery.skyportal.writes.changes import Change, change_each, read_fresh

__all__ = [
    "add_assignment",
    "delete_assignment",
    "update_assignment",
]


# In these words, without the number.
GONE = "Could not retrieve assignment"


def add_assignment(
    self: SkyPortalQuery,
    source_ids: str | int | Sequence,
    run_id: int,
    *,
    priority: int = 3,
    comment: str = "",
    dry_run: bool = False,
    on_error: str = "raise",
) -> Table:
    """Assign sources to an observing run.

    Parameters
    ----------
    source_ids : str, int or sequence
        One or many ids.
    run_id : int
        The number of the run.
    priority : int, optional
        From 1, the lowest, to 5.
    comment : str, optional
        What the observer should know.
    dry_run : bool, optional
        Whether to send nothing, and return what would be sent.
    on_error : {"raise", "warn"}, optional
        What to do after the last when some were not assigned: raise an error
        that has the table as ``result``, or return the table with a warning.

    Returns
    -------
    `~astropy.table.Table`
        ``source_id``, ``ok``, ``id`` (of the assignment) and ``message``, in the order
        given. Where a response was lost the run's targets are read back. With
        `dry_run` also ``method``, ``endpoint`` and ``payload``.

    Raises
    ------
    InvalidQueryError
        If an argument is not what it should be; nothing was sent.
    LoginError
        If there is no login.
    WriteError
        If some were not assigned.

    References
    ----------
    The ``assignment`` endpoint of the API of SkyPortal,
    https://skyportal.io/docs/api.html.

    Examples
    --------
    >>> from atlasquery import SkyPortal
    >>> plan = SkyPortal.add_assignment("ATLAS24abc", 1, priority=5, dry_run=True)
    >>> print(plan["payload"][0])
    {"run_id":1,"obj_id":"ATLAS24abc","priority":"5"}
    """
    run = check_number_id(run_id, name="run_id")
    shared = {"priority": _priority(priority), **({"comment": comment} if comment else {})}

    def assignment(source: str) -> Change:
        return Change(
            source,
            "POST",
            "assignment",
            {"run_id": run, "obj_id": source, **shared},
            done=_assigned,
            look=lambda began: _look_for_assignment(self, source, run),
        )

    changes = [assignment(source) for source in each_source(source_ids)]
    return change_each(self, changes, dry_run=dry_run, on_error=on_error, query="add_assignment")


def update_assignment(
    self: SkyPortalQuery,
    assignment_id: int,
    *,
    status: str | None = None,
    priority: int | None = None,
    comment: str | None = None,
    dry_run: bool = False,
    on_error: str = "raise",
) -> Table:
    """Change an assignment.

    Parameters
    ----------
    assignment_id : int
        The number of the assignment.
    status : str, optional
        Its state, such as ``"complete"`` or ``"not observed"``.
    priority : int, optional
        From 1, the lowest, to 5.
    comment : str, optional
        What the observer should know.
    dry_run : bool, optional
        Whether to send nothing, and return what would be sent.
    on_error : {"raise", "warn"}, optional
        As in `add_assignment`.

    Returns
    -------
    `~astropy.table.Table`
        As `add_assignment`; ``source_id`` is ``"assignment N"``.

    Raises
    ------
    InvalidQueryError
        If nothing is to be changed, or an argument is not what it should be.
    LoginError
        If there is no login.
    WriteError
        If it was not changed.

    References
    ----------
    The ``assignment`` endpoint of the API of SkyPortal,
    https://skyportal.io/docs/api.html.

    Examples
    --------
    >>> from atlasquery import SkyPortal
    >>> plan = SkyPortal.update_assignment(1, status="complete", dry_run=True)
    >>> print(plan["method"][0], plan["endpoint"][0], plan["payload"][0])
    PUT assignment/1 {"status":"complete"}
    """
    number = check_number_id(assignment_id, name="assignment_id")
    given = {
        "status": status,
        "priority": None if priority is None else _priority(priority),
        "comment": comment,
    }
    sent = {name: value for name, value in given.items() if value is not None}
    if not sent:
        raise InvalidQueryError("give at least one of status, priority and comment")
    change = Change(
        f"assignment {number}",
        "PUT",
        f"assignment/{number}",
        sent,
        done=lambda data: WriteOutcome(True, "Changed.", number),
        look=lambda began: _look_for_values(self, number, sent),
    )
    return change_each(
        self, [change], dry_run=dry_run, on_error=on_error, query="update_assignment"
    )


def delete_assignment(
    self: SkyPortalQuery, assignment_id: int, *, dry_run: bool = False, on_error: str = "raise"
) -> Table:
    """Take a source off an observing run.

    Parameters
    ----------
    assignment_id : int
        The number of the assignment.
    dry_run : bool, optional
        Whether to send nothing, and return what would be sent.
    on_error : {"raise", "warn"}, optional
        As in `add_assignment`.

    Returns
    -------
    `~astropy.table.Table`
        As `add_assignment`; ``source_id`` is ``"assignment N"``.

    Raises
    ------
    InvalidQueryError
        If it is not a number; nothing was sent.
    LoginError
        If there is no login.
    WriteError
        If it was not taken off.

    References
    ----------
    The ``assignment`` endpoint of the API of SkyPortal,
    https://skyportal.io/docs/api.html.

    Examples
    --------
    >>> from atlasquery import SkyPortal
    >>> plan = SkyPortal.delete_assignment(1, dry_run=True)
    >>> print(plan["method"][0], plan["endpoint"][0])
    DELETE assignment/1
    """
    number = check_number_id(assignment_id, name="assignment_id")
    change = Change(
        f"assignment {number}",
        "DELETE",
        f"assignment/{number}",
        done=lambda data: WriteOutcome(True, "Taken off.", number),
        look=lambda began: _look_for_no_assignment(self, number),
    )
    return change_each(
        self, [change], dry_run=dry_run, on_error=on_error, query="delete_assignment"
    )


def _look_for_assignment(client: SkyPortalQuery, source: str, run: int) -> WriteOutcome:
    targets = read_fresh(client, f"observing_run/{run}").get("assignments") or []
    rows = [row for row in targets if row.get("obj_id") == source]
    if not rows:
        return WriteOutcome(False, "it is not a target of the run")
    return WriteOutcome(True, "it is a target of the run", rows[-1]["id"])


def _look_for_values(client: SkyPortalQuery, number: int, sent: dict) -> WriteOutcome:
    now = read_fresh(client, f"assignment/{number}")
    same = all(str(now.get(key)) == str(value) for key, value in sent.items())
    return WriteOutcome(same, "it is changed" if same else "it is as it was", number)


def _look_for_no_assignment(client: SkyPortalQuery, number: int) -> WriteOutcome:
    try:
        read_fresh(client, f"assignment/{number}")
    except RemoteServiceError as error:
        if GONE in (error.reason or ""):
            return WriteOutcome(True, "it is not there", number)
        return WriteOutcome(None, f"the assignment could not be read ({error.reason})", number)
    return WriteOutcome(False, "it is still there", number)


def _priority(value: object) -> str:
    number = check_number_id(value, name="priority")
    if number > 5:
        raise InvalidQueryError(f"priority={value!r} should be from 1, the lowest, to 5")
    # The server has it as a string.
    return str(number)


def _assigned(data: object) -> WriteOutcome:
    number = data.get("id") if isinstance(data, dict) else None
    return WriteOutcome(True, "Assigned.", number if isinstance(number, int) else None)
