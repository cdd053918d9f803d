"""The query for many light curves: several at a time, and none lost over another."""

import threading
from collections.abc import Callable
from functools import partial

from astropy.time import Time

from atlasquery.alerce.base import AlerceQuery, check_oid, check_oids
from atlasquery.alerce.curves import (
    build_series,
    check_times,
    describe_curve,
    read_lsst_measured,
    read_measured,
)
from atlasquery.alerce.halving import ask_in_halves
from atlasquery.alerce.paging import check_lsst_object
from atlasquery.exceptions import InputWarning
from atlasquery.lightcurve.display import LightCurveDisplay
from atlasquery.service.collection import Collection as Products
from atlasquery.service.failures import check_on_error, deliver
from atlasquery.warn import warn

__all__ = ["get_light_curves"]

# Objects of LSST in one request for measurements: 20 rows of 100 keys each, some 2 MB.
LSST_CHUNK = 25


class Collection(LightCurveDisplay, Products):
    """Light curves of many objects by name, in the order asked for.

    Their rows are read when they come; each light curve is built when it is first asked for.

    Made by `AlerceClass.get_light_curves`. A number of LSST may be given as an
    integer or as a text.

    Parameters
    ----------
    what : str
        What its values are.
    key : callable
        Turns a name as a user gives it into a name as it is kept.
    """

    def __init__(self, what: str, *, key: Callable):
        super().__init__(what, key=key)
        self._unbuilt: dict[str | int, Callable] = {}

    def _add(self, name: str | int, build: Callable) -> None:
        """Keep what builds a light curve, which takes longer than to read its rows."""
        self._products[name] = None
        self._unbuilt[name] = build

    def __getitem__(self, object_id):
        product = super().__getitem__(object_id)
        if product is None:
            name = self._key(object_id)
            # Another thread may build it at the same time.
            if (build := self._unbuilt.get(name)) is not None:
                self._products[name] = build()
                self._unbuilt.pop(name, None)
            product = self._products[name]
        return product


def get_light_curves(
    self: AlerceQuery,
    oids: str | int | list,
    *,
    survey: str = "ztf",
    start: Time | str | float | None = None,
    end: Time | str | float | None = None,
    forced: bool = False,
    on_error: str = "raise",
    cache: bool | None = None,
    progress: bool = True,
) -> Collection:
    """Fetch the light curves of many objects, several at a time.

    Parameters
    ----------
    oids : str, int or sequence
        The names of the objects; one given twice is asked for once.
    survey : {"ztf", "lsst"}, optional
        The survey whose objects they are.
    start, end : `~astropy.time.Time`, str or float, optional
        The first and last time; a bare number is an MJD in UTC.
    forced : bool, optional
        Whether forced photometry is in them too.
    on_error : {"raise", "warn"}, optional
        What to do when some objects failed, after all others were fetched:
        raise an error that has the rest as ``result``, or return the rest
        with a warning.
    cache : bool, optional
        Whether stored answers are used, for ``conf.object_seconds``.
    progress : bool, optional
        Whether a bar is shown, for long jobs on a terminal or in a notebook.

    Returns
    -------
    Collection
        A mapping of names to what `get_light_curve` returns, in the order asked
        for, with ``failures``: name and exception of each object that failed.

    Raises
    ------
    InvalidQueryError
        If an argument is not what it should be; nothing was sent.
    IncompleteResultError
        If some objects failed, with ``result`` and ``failures``.

    Warns
    -----
    InputWarning
        If some objects failed, with ``on_error="warn"``, or if the server fails over
        the forced photometry of some: ``meta["missing"]`` of these has the reason.

    Examples
    --------
    >>> from atlasquery import Alerce
    >>> curves = Alerce.get_light_curves(["ZTF18aaaaaaa", "ZTF19aaaaaab"])
    >>> curves
    <Collection of 2 TimeSeries>
    >>> len(curves["ZTF19aaaaaab"]) > 18
    True
    """
    names = list(dict.fromkeys(check_oids(oids, survey)))
    check_on_error(on_error)
    window = check_times(start, end, survey)
    found = Collection("TimeSeries", key=partial(check_oid, survey=survey))
    if survey == "lsst":
        answers = _lsst_many(self, names, forced, cache, progress)
    else:
        answers = self._each(
            lambda name: read_measured(self, name, survey, forced, cache), names, progress=progress
        )
    missing = []
    for name, answer in zip(names, answers, strict=True):
        if isinstance(answer, Exception):
            found.failures.append((name, answer))
            continue
        # One object of many without measurements is an empty light curve, and no news.
        meta = describe_curve(self, answer, "get_light_curves", survey, name)
        found._add(name, partial(build_series, answer, survey, window, meta))
        if answer.missing:
            missing.append((name, answer.missing))
    if missing:
        first, reason = missing[0]
        warn(
            f"Of {len(missing)} of {len(names)} objects something is missing, as "
            f"meta['missing'] of each says; of the first, {first}: {reason}",
            InputWarning,
        )
    return deliver(
        found,
        found.failures,
        on_error=on_error,
        service=self.service,
        total=len(names),
    )


def _lsst_chunk(
    client: AlerceQuery, names: list, forced: bool, hopeless: threading.Event, cache: bool | None
) -> dict:
    """Return the parts of each object, or its error: one must not cost its neighbours."""
    found: dict = {}
    for part, answer in ask_in_halves(
        lambda part: read_lsst_measured(client, part, forced, cache), names, hopeless
    ):
        found |= dict.fromkeys(part, answer) if isinstance(answer, Exception) else answer
    return found


def _lsst_many(client: AlerceQuery, names: list, forced: bool, cache, progress: bool) -> list:
    chunks = [names[n : n + LSST_CHUNK] for n in range(0, len(names), LSST_CHUNK)]
    hopeless = threading.Event()
    answers = client._each(
        lambda chunk: _lsst_chunk(client, chunk, forced, hopeless, cache),
        chunks,
        progress=progress,
    )
    found: dict = {}
    for chunk, answer in zip(chunks, answers, strict=True):
        found |= dict.fromkeys(chunk, answer) if isinstance(answer, Exception) else answer
    silent = [
        name for name in names
        if not isinstance(found[name], Exception)
        and not found[name].missing
        and not len(found[name])
    ]  # fmt: skip
    if silent:
        return _told_apart(client, found, silent, cache)
    return [found[name] for name in names]


def _told_apart(client: AlerceQuery, found: dict, silent: list, cache: bool | None) -> list:
    """Replace the empty answers of objects that ALeRCE does not know by errors."""
    answers = client._each(lambda name: check_lsst_object(client, name, cache), silent)
    for name, answer in zip(silent, answers, strict=True):
        if isinstance(answer, Exception):
            # That it is not known, or that this could not be found out.
            found[name] = answer
    return list(found.values())
