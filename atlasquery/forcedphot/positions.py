"""Forced photometry at positions: submit, or submit, wait and fetch in one call."""

import os
from typing import Any, TypeAlias

import astropy.units as u
import numpy as np
from astropy.coordinates import Angle, SkyCoord
from astropy.time import Time
from astropy.timeseries import TimeSeries

from atlasquery.exceptions import InvalidQueryError, attach
from atlasquery.forcedphot.base import ForcedQuery
from atlasquery.forcedphot.jobs import TAG_LENGTH, ForcedJobs
from atlasquery.forcedphot.results import fetch
from atlasquery.forcedphot.submission import make_jobs, submission_payloads, submit_pending
from atlasquery.forcedphot.targets import Target, check_comment, check_dates, check_targets
from atlasquery.forcedphot.waiting import Watch, check_timeout, wait, within_timeout
from atlasquery.service.failures import check_on_error
from atlasquery.service.inputs import check_coordinates, check_path, check_radius

__all__ = ["get_control_curves", "query_position", "submit"]

When: TypeAlias = Time | str | float | None


def submit(
    self: ForcedQuery,
    coordinates: SkyCoord | None = None,
    *,
    mpc_names: str | list[str] | None = None,
    start: When = None,
    end: When = None,
    reduced: bool = False,
    comment: str | None = None,
    names: str | list[str] | None = None,
    save: str | os.PathLike | None = None,
    timeout: u.Quantity | float | str | None = None,
) -> ForcedJobs:
    """Submit positions or minor planets for measurement.

    A hundred share a request. The server accepts 500 tasks of an account that are not
    begun; the rest stays ``pending``, and is submitted by `wait` or `update` when there
    is room. Each submission has a tag in its comment: if its response is lost, the
    tag is looked for in the queue, so that nothing is submitted twice.

    Parameters
    ----------
    coordinates : `~astropy.coordinates.SkyCoord`, optional
        Positions, one or an array of any shape, in any frame. Proper motions are
        sent with them, and need an ``obstime``.
    mpc_names : str or sequence of str, optional
        Minor planets: ``(12267)`` for a numbered asteroid, else a packed designation.
    start, end : `~astropy.time.Time`, str or float, optional
        The time window; a bare number is an MJD. None is no bound: without `start`
        the whole history is measured.
    reduced : bool, optional
        Whether to measure on the images themselves instead of on the differences
        from the reference image.
    comment : str, optional
        Comment of the tasks in the server's list, up to 272 characters.
    names : str or sequence of str, optional
        Names of the targets in tables, one for each.
    save : path-like, optional
        A new file in which the jobs are saved before each request, so that nothing is
        lost if the process is killed.
    timeout : `~astropy.units.Quantity`, float or str, optional
        Longest time that this may take, if no write is left in the minute or a response
        is lost; a bare number is in seconds.

    Returns
    -------
    ForcedJobs
        A table with a row for each target: ``target``, ``ra``, ``dec`` (deg),
        ``state``, ``task_id`` and more; see `ForcedJobs.table`.

    Raises
    ------
    InvalidQueryError
        If an argument is not valid, or the file exists; nothing was sent.
    LoginError
        If there is no login, or it is refused.
    TimeoutError
        If some were not submitted in time; ``jobs`` of the error has all, for `wait` to
        continue.
    RemoteServiceError
        If the server refused; earlier submissions are in ``jobs`` of the error.

    References
    ----------
    The ``queue/`` endpoint of https://fallingstar-data.com/forcedphot/apiguide/.

    Examples
    --------
    >>> from astropy.coordinates import SkyCoord
    >>> from atlasquery import AtlasForced
    >>> positions = SkyCoord([161.2, 342.46], [53.7, 51.26], unit="deg")
    >>> AtlasForced.submit(positions, start="2020-05-01", comment="two hosts")
    <ForcedJobs 2 tasks: 2 queued>
    """
    request = _check_request(coordinates, mpc_names, start, end, reduced, comment, names)
    path = None if save is None else check_path(save, name="save")
    seconds = check_timeout(timeout)
    # The login may name the server, which is that of the jobs.
    self._auth(required=True)
    jobs = make_jobs(self, *request)
    if path is not None:
        if path.exists():
            raise InvalidQueryError(
                f"save={str(save)!r} exists: resume it with ForcedJobs.load, or choose another name"
            )
        jobs.save(path)
    with within_timeout(self, seconds, Watch(), jobs):
        return _submit_all(self, jobs)


def query_position(
    self: ForcedQuery,
    coordinates: SkyCoord | None = None,
    *,
    mpc_names: str | list[str] | None = None,
    start: When = None,
    end: When = None,
    reduced: bool = False,
    comment: str | None = None,
    names: str | list[str] | None = None,
    save: str | os.PathLike | None = None,
    timeout: u.Quantity | float | str | None = None,
    on_error: str = "raise",
    progress: bool = True,
    get_query_payload: bool = False,
) -> TimeSeries | list[TimeSeries]:
    """Measure positions or minor planets: submit, wait and fetch in one call.

    A task takes about a minute, and the server runs one of an account at a time.

    Parameters
    ----------
    coordinates : `~astropy.coordinates.SkyCoord`, optional
        Positions, as `submit` takes them.
    mpc_names : str or sequence of str, optional
        Minor planets, as `submit` takes them.
    start, end : `~astropy.time.Time`, str or float, optional
        The time window; a bare number is an MJD, None no bound.
    reduced : bool, optional
        Whether to measure on the images themselves instead of on the differences.
    comment : str, optional
        Comment of the tasks in the server's list.
    names : str or sequence of str, optional
        Names of the targets, one for each.
    save : path-like, optional
        A file in which the jobs are saved. If it exists, its jobs are resumed
        instead of submitted again; they must be those of the same query.
    timeout : `~astropy.units.Quantity`, float or str, optional
        Longest time to submit and to wait; a bare number is in seconds.
    on_error : {"raise", "warn"}, optional
        What to do when some have no light curve, as in `fetch`.
    progress : bool, optional
        Whether a bar is shown, on a terminal or in a notebook.
    get_query_payload : bool, optional
        Whether to return what would be sent, and send nothing: the submissions, one
        for each hundred lines. Each real one has another tag in its ``comment``.

    Returns
    -------
    `~astropy.timeseries.TimeSeries` or list
        A light curve as `fetch` returns it, for one position or name; for an array a
        list of them, flat, in its order.

    Raises
    ------
    InvalidQueryError
        If an argument is not valid; nothing was sent.
    TimeoutError
        If some are not finished in time; ``jobs`` of the error has all.
    IncompleteResultError
        If some have no light curve.

    Warns
    -----
    NoResultsWarning
        If there is no data at some positions.
    BlockedQueueWarning
        If a task is repeated again and again, while the others wait.

    References
    ----------
    https://fallingstar-data.com/forcedphot/apiguide/

    Examples
    --------
    >>> from astropy.coordinates import SkyCoord
    >>> from atlasquery import AtlasForced
    >>> supernova = SkyCoord(161.2, 53.7, unit="deg")
    >>> lc = AtlasForced.query_position(supernova, start=59000, end=59300)
    >>> lc.colnames[:5]
    ['time', 'band', 'detection', 'flux', 'flux_err']
    """
    seconds, start_of_wait = check_timeout(timeout), self._clock.now()
    check_on_error(on_error)
    query: dict[str, Any] = {"mpc_names": mpc_names, "start": start, "end": end, "reduced": reduced,
             "comment": comment, "names": names}  # fmt: skip
    if save is not None and check_path(save, name="save").exists():
        jobs = ForcedJobs.load(save)
        _check_same(jobs, coordinates, query)
    elif get_query_payload:
        jobs = make_jobs(self, *_check_request(coordinates, **query))
    else:
        jobs = submit(self, coordinates, save=save, timeout=timeout, **query)
    if get_query_payload:
        return submission_payloads(jobs)
    try:
        left = max(0.0, start_of_wait + seconds - self._clock.now())
        wait(self, jobs, timeout=left, progress=progress)
        curves = fetch(self, jobs, on_error=on_error, progress=progress)
    except BaseException as error:
        # So that they are not lost after hours of waiting, nor with Ctrl-C.
        attach(error, jobs=jobs)
        raise
    single = coordinates is None or getattr(coordinates, "shape", ()) == ()
    single &= mpc_names is None or isinstance(mpc_names, str)
    return curves[0] if single and len(curves) == 1 else curves


def get_control_curves(
    self: ForcedQuery,
    coordinates: SkyCoord,
    *,
    n: int = 8,
    radius: Angle | u.Quantity | str = 17 * u.arcsec,
    start: When = None,
    end: When = None,
    reduced: bool = False,
    comment: str | None = None,
    save: str | os.PathLike | None = None,
    timeout: u.Quantity | float | str | None = None,
    progress: bool = True,
    get_query_payload: bool = False,
) -> list[TimeSeries]:
    """Measure positions on a circle around a position, where no source is expected.

    Their scatter is the true error of the fluxes, with which ATClean corrects
    those of the survey.

    Parameters
    ----------
    coordinates : `~astropy.coordinates.SkyCoord`
        One position.
    n : int, optional
        Number of positions, evenly around it, the first to the north.
    radius : `~astropy.coordinates.Angle`, `~astropy.units.Quantity` or str, optional
        Radius of the circle: just outside of the profile of the source.
    start, end : `~astropy.time.Time`, str or float, optional
        The time window; a bare number is an MJD, None no bound.
    reduced : bool, optional
        Whether to measure on the images themselves instead of on the differences.
    comment : str, optional
        Comment of the tasks in the server's list.
    save : path-like, optional
        A file in which the jobs are saved, as in `query_position`.
    timeout : `~astropy.units.Quantity`, float or str, optional
        Longest time to wait; a bare number is in seconds.
    progress : bool, optional
        Whether a bar is shown, on a terminal or in a notebook.
    get_query_payload : bool, optional
        Whether to return what would be sent, and send nothing, as in `query_position`.

    Returns
    -------
    list of `~astropy.timeseries.TimeSeries`
        Light curves as `fetch` returns them; ``meta`` has ``control``, their number
        from 0, and ``position_angle`` in degrees.

    Raises
    ------
    InvalidQueryError
        If `n` is below 1, or `radius` has no unit; nothing was sent.

    References
    ----------
    Rest et al. 2025, ApJ 979, 114: ATClean.

    Examples
    --------
    >>> from astropy.coordinates import SkyCoord
    >>> from atlasquery import AtlasForced
    >>> supernova = SkyCoord(161.2, 53.7, unit="deg")
    >>> controls = AtlasForced.get_control_curves(supernova, n=3, start=59000, end=59100)
    >>> [lc.meta["position_angle"] for lc in controls]
    [0.0, 120.0, 240.0]
    """
    ra, dec, shape = check_coordinates(coordinates)
    if shape not in ((), (1,)):
        raise InvalidQueryError(f"coordinates holds {len(ra)} positions, where one is needed")
    if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n < 1:
        raise InvalidQueryError(f"n={n!r} should be a whole number from 1")
    angles = np.arange(n) * 360.0 / n
    centre = SkyCoord(ra[0], dec[0], unit="deg")
    circle = centre.directional_offset_by(angles * u.deg, check_radius(radius) * u.arcsec)
    names = [f"control {k} of {ra[0]:.5f}{dec[0]:+.5f}" for k in range(n)]
    curves = query_position(self,
        circle, start=start, end=end, reduced=reduced, comment=comment, names=names,
        save=save, timeout=timeout, progress=progress, get_query_payload=get_query_payload,
    )  # fmt: skip
    if get_query_payload:
        return curves
    if not isinstance(curves, list):
        curves = [curves]
    for k, lc in enumerate(curves):
        lc.meta.update(control=k, position_angle=float(angles[k]))
    return curves


def _check_request(
    coordinates: SkyCoord | None,
    mpc_names: str | list[str] | None,
    start: When,
    end: When,
    reduced: bool,
    comment: str | None,
    names: str | list[str] | None,
) -> tuple[list[Target], dict, str]:
    """Return targets, what their requests have in common, and the comment; or refuse them."""
    targets = check_targets(coordinates, mpc_names, names)
    first, last = check_dates(start, end)
    if not isinstance(reduced, (bool, np.bool_)):
        raise InvalidQueryError(f"reduced={reduced!r} should be True or False")
    # The bound is always sent: without it the server takes the last 30 days.
    shared = {"mjd_min": first, "mjd_max": last, "use_reduced": bool(reduced)}
    return targets, shared, check_comment(comment, TAG_LENGTH)


def _submit_all(client: ForcedQuery, jobs: ForcedJobs) -> ForcedJobs:
    with jobs.held():
        try:
            submit_pending(client, jobs)
        except BaseException as error:
            # So that submitted jobs are not lost with the error, or with Ctrl-C.
            attach(error, jobs=jobs)
            raise
    return jobs


def _check_same(jobs: ForcedJobs, coordinates: SkyCoord | None, query: dict) -> None:
    """Refuse to resume the jobs of another query."""
    targets = check_targets(coordinates, query["mpc_names"], query["names"])
    window = check_dates(query["start"], query["end"])
    same = [job.target for job in jobs] == targets
    same &= window == jobs.window and bool(query["reduced"]) == jobs.shared["use_reduced"]
    if not same:
        raise InvalidQueryError(
            f"save={str(jobs.path)!r} holds the jobs of another query: choose another name"
        )
