"""Searches around many positions: what was found, how far away, and which of them failed."""

from collections.abc import Callable

import numpy as np
from astropy.coordinates import angular_separation
from astropy.table import Table

from atlasquery.exceptions import NoResultsWarning, TableParseError
from atlasquery.service.failures import deliver
from atlasquery.service.pool import run_all
from atlasquery.skyportal.base import SkyPortalQuery
from atlasquery.skyportal.columns import SEPARATION
from atlasquery.skyportal.paging import Found, warn_of
from atlasquery.tables import Column, Rows, build_table, stack_rows
from atlasquery.warn import warn

__all__ = ["query_around_each"]

QUERY_INDEX = Column("query_index", int, about="Which position it belongs to.", required=True)
# Beyond rounding, in arcsec.
SLACK = 0.01


def query_around_each(
    client: SkyPortalQuery,
    cones: list[dict],
    ask: Callable,
    nothing: Rows,
    *,
    by: str,
    what: str,
    on_error: str,
    **query: object,
) -> Table:
    """Return what is around each of many positions.

    Parameters
    ----------
    cones : list of dict
        As `cone_params` returns them.
    ask : callable
        Takes a cone, returns `Found`.
    nothing : Rows
        The columns of what is searched, without rows.
    by : str
        The column that orders what is equally far away.
    what : str
        What is searched, for messages.
    on_error : {"raise", "warn"}
        What happens when some fail.
    **query : object
        What the table says of its origin.

    Returns
    -------
    `~astropy.table.Table`
        By position and separation.

    Raises
    ------
    IncompleteResultError
        If some of many positions failed.
    """

    def placed(task: tuple[int, dict]) -> tuple[Found, Rows]:
        found = ask(task[1])
        return found, _placed(found.rows, *task, by, what)

    answers = run_all(
        placed,
        list(enumerate(cones)),
        concurrency=client.conf.concurrency,
        interrupt=client._clock.interrupt,
    )
    if len(cones) == 1 and isinstance(answers[0], Exception):
        raise answers[0]
    failures, times = [], []
    parts = [_placed(nothing, 0, {"ra": 0.0, "dec": 0.0, "radius": 0.0}, by, what)]
    for cone, answer in zip(cones, answers, strict=True):
        if isinstance(answer, Exception):
            failures.append((f"{cone['ra']:.6f} {cone['dec']:+.6f}", answer))
            continue
        found, rows = answer
        warn_of(found, what)
        parts.append(rows)
        times.append(found.when)
    when = min(times, default=client._clock.now())
    table = build_table(stack_rows(*parts), meta=client._meta(when, **query))
    if failures:
        return deliver(
            table,
            failures,
            on_error=on_error,
            service=client.service,
            what="positions failed",
            total=len(cones),
            in_meta=True,
        )
    if not len(table):
        warn(f"SkyPortal has no {what} there", NoResultsWarning)
    return table


def _placed(rows: Rows, index: int, cone: dict, by: str, what: str) -> Rows:
    """Return rows by their distance to a position, and refuse those of elsewhere."""
    arcsec = cone["radius"] * 3600.0
    place = np.radians([cone["ra"], cone["dec"]])
    there = np.radians(rows.values["ra"]), np.radians(rows.values["dec"])
    separation = np.degrees(angular_separation(*place, *there)) * 3600.0
    if np.any(separation > arcsec * 1.001 + SLACK):
        raise TableParseError(
            f"SkyPortal answered {what} up to {np.nanmax(separation):.0f} arcsec away when asked "
            f"for {arcsec:g}: it ignored the position",
            service="SkyPortal",
        )
    order = np.lexsort((rows.values[by], separation))
    found = Rows(length=len(rows))
    found.add(QUERY_INDEX, np.full(len(rows), index))
    found.add(SEPARATION, separation[order], np.isnan(separation[order]))
    for column in rows.columns:
        name = column.name
        found.add(column, rows.values[name][order], rows.masks[name][order])
    return found
