"""The data of a plot of a light curve, before it is drawn: markers, their labels, and notes."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

import astropy.units as u
import numpy as np
from astropy.table import Table

from atlasquery.exceptions import InvalidQueryError
from atlasquery.lightcurve.arrays import CurveArrays
from atlasquery.lightcurve.checks import check_number, check_quantity, one_scale
from atlasquery.lightcurve.flags import REPEATS, flags_of, withdrawn
from atlasquery.lightcurve.styles import MARKER_STYLES, rank_of
from atlasquery.service.inputs import check_choice

__all__ = ["PlotData", "PlotPoints", "plot_data"]

NEEDED = ("band", "detection", "flux", "flux_err", "mag", "mag_err", "limiting_mag")

# The error of a magnitude whose flux is as large as its error.
MAG_ERR_OF_ONE_SIGMA = 2.5 / np.log(10)

# Surveys whose names are written in capitals.
NAMES = {"atlas": "ATLAS", "ztf": "ZTF", "lsst": "LSST"}


@dataclass(frozen=True)
class PlotPoints:
    """Points of one kind and band, drawn with one marker.

    Parameters
    ----------
    kind : str
        A key of `MARKER_STYLES`.
    band : str
        The band.
    label : str
        The label in the legend.
    time, value : `~numpy.ndarray`
        MJD, and what is drawn.
    error : `~numpy.ndarray` or None
        The length of error bars.
    forced : bool
        Whether they are of the forced photometry drawn in addition to the light curve.
    rows : `~numpy.ndarray`
        The rows of the table they are of.
    shade : int, optional
        How many other objects are drawn on the same axes before.
    survey : str, optional
        The survey, in a light curve that was combined of several.
    total : bool, optional
        Whether they are total fluxes beside those of a difference, on an axis at the right.
    """

    kind: str
    band: str
    label: str
    time: np.ndarray
    value: np.ndarray
    error: np.ndarray | None
    forced: bool
    rows: np.ndarray
    shade: int = 0
    survey: str = ""
    total: bool = False


@dataclass(frozen=True)
class PlotData:
    """All that a plot shows.

    Parameters
    ----------
    marks : list of PlotPoints
        In the order of the legend.
    notes : list of str
        Further lines of the legend.
    scale : str
        The time scale.
    total_label : str, optional
        The label of the axis of total fluxes, where there are such beside those of a difference.
    """

    marks: list[PlotPoints]
    notes: list[str]
    scale: str
    total_label: str = ""

    @property
    def total(self) -> list[PlotPoints]:
        """The points on the axis of total fluxes."""
        return [mark for mark in self.marks if mark.total]

    @property
    def main(self) -> list[PlotPoints]:
        """The other points."""
        return [mark for mark in self.marks if not mark.total]


def plot_data(
    lc: Table, forced: Table | None, *, y: str, limits: bool, snr: float, flagged: bool
) -> PlotData:
    """Decide which rows of a light curve are drawn, and with which markers.

    Parameters
    ----------
    lc : `~astropy.table.Table`
        A light curve.
    forced : `~astropy.table.Table` or None
        Forced photometry of the same object.
    y : {"mag", "flux"}
        What is drawn.
    limits : bool
        Whether limits are drawn.
    snr : float
        The signal to noise below which a measurement is drawn as faint, or as a limit.
    flagged : bool
        Whether flagged rows are drawn.

    Returns
    -------
    PlotData
        Points with their labels, and notes on what is not drawn.
    """
    check_choice(y, name="y", known=("mag", "flux"))
    check_number(snr, name="snr", least=0.0)
    tables = [("lc", lc)] + ([("forced", forced)] if forced is not None else [])
    read = [CurveArrays([table], [name], NEEDED) for name, table in tables]
    scale = one_scale(tables)
    marks: list[PlotPoints] = []
    notes: list[str] = []
    for (name, table), one in zip(tables, read, strict=True):
        rows = _PlotRows.of(table, one, snr)
        notes += rows.left_out(y)
        kinds = rows.of_kinds(y, name == "forced")
        if y == "mag" and name == "lc":
            notes += _negative(rows)
        for kind, chosen in kinds.items():
            if (kind != "limit" or limits) and (kind != "flagged" or flagged):
                marks += _marks(rows, kind, chosen, y, name == "forced", snr)
    order = list(MARKER_STYLES)
    marks.sort(key=lambda mark: (order.index(mark.kind), rank_of(mark.band), mark.survey))
    return PlotData(marks, notes, scale, _total_label(lc, y, marks))


def _total_label(lc: Table, y: str, marks: list[PlotPoints]) -> str:
    if not any(mark.total for mark in marks):
        return ""
    if y == "flux":
        return "Total flux (µJy)"
    systems = set(np.asarray(lc["magsys"])[np.asarray(lc["flux_kind"]) == "total"].tolist())
    system = systems.pop() if len(systems) == 1 else "unknown"
    return "Magnitude of total flux" + (" (mag)" if system == "unknown" else f" ({system} mag)")


@dataclass
class _PlotRows:
    """The columns of one table as plain arrays, NaN where masked."""

    mjd: np.ndarray
    band: np.ndarray
    detection: np.ndarray
    flux: np.ndarray
    flux_err: np.ndarray
    mag: np.ndarray
    mag_err: np.ndarray
    limit: np.ndarray
    bad: np.ndarray
    bright: np.ndarray
    binned: bool
    sigma: float
    survey: np.ndarray | None
    was_forced: np.ndarray
    total: np.ndarray
    copies: np.ndarray

    @classmethod
    def of(cls, lc: Table, one: CurveArrays, snr: float) -> "_PlotRows":
        flux, flux_err = one.numbers("flux"), one.numbers("flux_err")
        flags = flags_of(one)
        bad = withdrawn(one) if flags is None else withdrawn(one) | (flags != 0)
        combined = one.has("flux_kind")
        surveys = one.labels("survey")[0] if one.has("survey") else None
        # SkyPortal, too, sends bands of one name of several surveys.
        several = surveys is not None and len(set(surveys.tolist())) > 1
        if not several and not (combined and one.has("measurement")):
            surveys = None
        none = np.zeros(len(lc), bool)
        kinds = one.labels("flux_kind")[0] if combined else np.full(len(lc), "")
        total = kinds == "total"
        mag_err = one.numbers("mag_err")
        with np.errstate(invalid="ignore"):
            # Without any error, the detection of the survey decides.
            bright = (np.abs(flux) >= snr * flux_err) | np.isnan(flux_err)
            # Magnitudes of which no flux is known have a signal to noise too.
            bright &= ~(np.isnan(flux_err) & (mag_err * snr > MAG_ERR_OF_ONE_SIGMA))
        return cls(
            mjd=one.mjd(),
            band=one.labels("band")[0],
            detection=one.truths("detection"),
            flux=flux,
            flux_err=flux_err,
            mag=one.numbers("mag"),
            mag_err=mag_err,
            limit=one.numbers("limiting_mag"),
            bad=bad,
            bright=bright,
            binned="n_clipped" in lc.columns,
            sigma=float(lc.meta.get("limit_sigma", 5.0)),
            survey=surveys,
            was_forced=one.labels("measurement")[0] == "forced" if one.has("measurement") else none,
            # Alone they need no second axis.
            total=none if total.all() else total,
            copies=one.labels(REPEATS)[1] if one.has(REPEATS) else none,
        )

    def left_out(self, y: str) -> list[str]:
        """Return notes on rows that are not drawn."""
        notes = []
        if n := int(np.count_nonzero(self.copies)):
            notes.append(f"{n} duplicate{'s' * (n > 1)} not drawn")
        if self.survey is not None and y == "flux":
            n = int(np.count_nonzero(np.isnan(self.flux) & np.isfinite(self.mag)))
            if n:
                notes.append(f"{n} magnitude{'s' * (n > 1)} without a flux:\nsee y='mag'")
        return notes

    def of_kinds(self, y: str, forced: bool) -> dict[str, np.ndarray]:
        """Return the rows of each kind of marker."""
        kinds = self.in_mag(forced) if y == "mag" else self.in_flux(forced)
        kinds = {kind: chosen & ~self.copies for kind, chosen in kinds.items()}
        if not self.was_forced.any():
            return kinds
        # Forced photometry has open markers, whether it came in the same table or in another.
        for kind, opened in (("detection", "forced"), ("faint", "forced_faint")):
            moved = kinds[kind] & self.was_forced
            kinds[kind], kinds[opened] = kinds[kind] & ~moved, moved
        return kinds

    @property
    def measured(self) -> bool:
        """Whether non-detections have fluxes too: then faint rows are limits."""
        return bool(np.any(~self.detection & np.isfinite(self.flux)))

    def in_mag(self, forced: bool) -> dict[str, np.ndarray]:
        """Return the rows of each kind of marker in magnitudes."""
        has_mag = np.isfinite(self.mag)
        good = has_mag & ~self.bad
        if forced:
            return {"forced": good & self.bright, "flagged": has_mag & self.bad & self.bright}
        measured = self.measured
        strong, faint = good & self.bright, good & ~self.bright & self.detection
        limit = ~self.bad & np.isfinite(self.limit) & ~strong
        limit &= ~self.detection | (faint if measured else False)
        return {
            "detection": strong,
            "faint": np.zeros_like(faint) if measured else faint,
            "limit": limit,
            "flagged": has_mag & self.bad & (self.bright | self.detection),
        }

    def in_flux(self, forced: bool) -> dict[str, np.ndarray]:
        """Return the rows of each kind of marker in flux."""
        has_flux = np.isfinite(self.flux)
        good = has_flux & ~self.bad
        strong, faint = good & self.bright, good & ~self.bright
        flagged = has_flux & self.bad
        if forced:
            return {"forced": strong, "forced_faint": faint, "flagged": flagged}
        return {"detection": strong, "faint": faint, "flagged": flagged}


def _negative(rows: _PlotRows) -> list[str]:
    with np.errstate(invalid="ignore"):
        n = int(np.count_nonzero(rows.detection & (rows.flux <= 0) & ~rows.bad))
    plural = "s" if n > 1 else ""
    return [f"{n} detection{plural} of\nnegative flux: no magnitude"] if n else []


def _marks(
    rows: _PlotRows, kind: str, chosen: np.ndarray, y: str, forced: bool, snr: float
) -> Iterator[PlotPoints]:
    """Yield the markers of a kind, band by band."""
    value, error = {
        "mag": (rows.mag, rows.mag_err),
        "flux": (rows.flux, rows.flux_err),
        "limit": (rows.limit, None),
    }["limit" if kind == "limit" else y]
    chosen = chosen & np.isfinite(rows.mjd)
    # A detection of the survey has no further threshold.
    separate, forced = forced, forced or kind.startswith("forced")
    seen = y == "mag" and not rows.measured and not rows.binned
    of = ", forced" if forced else ", binned" if rows.binned else ""
    what = {
        "detection": of + (", detection" if seen else f", S/N ≥ {snr:g}"),
        "faint": of + (", detection" if seen else "") + f", S/N < {snr:g}",
        "forced": f"{of}, S/N ≥ {snr:g}",
        "forced_faint": f"{of}, S/N < {snr:g}",
        "limit": f"{of}, {rows.sigma:g}σ limit",
        # Flagged rows of all kinds have the same marker.
        "flagged": ", flagged",
    }[kind]
    for band, survey, total in _series(rows, chosen):
        some = chosen & (rows.band == band) & (rows.total == total)
        if rows.survey is not None:
            some &= rows.survey == survey
        some = np.flatnonzero(some)
        name = f"{NAMES.get(survey, survey)} {band}".strip()
        yield PlotPoints(
            kind=kind,
            band=band,
            label=f"{name or 'no band'}{', total' * total}{what}",
            time=rows.mjd[some],
            value=value[some],
            error=None if error is None or kind == "flagged" else np.nan_to_num(error[some]),
            forced=separate,
            rows=some,
            survey=survey,
            total=total,
        )


def _series(rows: _PlotRows, chosen: np.ndarray) -> list[tuple[str, str, bool]]:
    """Return band, survey and whether the flux is total of each series of points."""
    surveys = np.full(len(chosen), "") if rows.survey is None else rows.survey
    found = zip(
        rows.band[chosen].tolist(),
        surveys[chosen].tolist(),
        rows.total[chosen].tolist(),
        strict=True,
    )
    return sorted(set(found), key=lambda one: (rank_of(one[0]), one[1:]))


def check_distance(redshift: object, distance: object, cosmology: object, y: str) -> float | None:
    """Return the distance modulus of an axis of absolute magnitudes.

    Parameters
    ----------
    redshift : float or None
        A redshift above 0.
    distance : `~astropy.units.Quantity` or None
        A luminosity distance.
    cosmology : `~astropy.cosmology.FLRW` or None
        By default Planck18.
    y : {"mag", "flux"}
        What is drawn.

    Returns
    -------
    float or None
        Magnitudes; None where neither was given.

    Raises
    ------
    InvalidQueryError
        If both were given, one is not what it should be, or fluxes are drawn.
    """
    if redshift is None and distance is None:
        return None
    if redshift is not None and distance is not None:
        raise InvalidQueryError("give redshift or distance, not both")
    if y != "mag":
        raise InvalidQueryError("redshift and distance are for y='mag': fluxes have no such axis")
    return _modulus_of_redshift(redshift, cosmology) if distance is None else _modulus(distance)


def _modulus_of_redshift(redshift: object, cosmology: object) -> float:
    if check_number(redshift, name="redshift", least=0.0) == 0:
        raise InvalidQueryError("redshift=0 should be above 0; give distance=... for what is near")
    if cosmology is None:
        from astropy.cosmology import Planck18

        cosmology = Planck18
    return float(cast("Any", cosmology).distmod(redshift).value)


def _modulus(distance: object) -> float:
    return 5 * np.log10(check_quantity(distance, name="distance", unit=u.pc, above=0.0) / 10)
