"""Flag the measurements that are not to be trusted, by the rules in use, and delete none."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import NamedTuple, TypeVar, overload

import astropy.units as u
import numpy as np
from astropy.table import Table
from astropy.timeseries import TimeSeries

from atlasquery.exceptions import InvalidQueryError
from atlasquery.lightcurve.arrays import CurveArrays
from atlasquery.lightcurve.binning import check_by
from atlasquery.lightcurve.derive import DECLARED, derive, measured_column, new_meta
from atlasquery.lightcurve.flags import Flag, flag_column, flags_of, withdrawn
from atlasquery.lightcurve.light_curves import LightCurves, arrays_of, meta_of
from atlasquery.lightcurve.outliers import flag_bins, flag_by_controls, flag_rolling
from atlasquery.lightcurve.presets import COMPANIONS, PRESETS, RULES, UNITS, Bound, Preset, Rule
from atlasquery.lightcurve.schema import flux_to_mag, magnitudes
from atlasquery.service.inputs import check_choice, suggest
from atlasquery.tables import table_column

__all__ = ["clean"]

# Returns a column of numbers by its name.
Read = Callable[[str], np.ndarray]
# A light curve, which is cleaned to one of the same class.
T = TypeVar("T", bound=Table)

# Rows that are judged together: their arrays stay in the processor's cache.
BLOCK = 1 << 17
# Flags of rows that no survey's rules are needed for.
OF_ANY_SURVEY = Flag.FAILED | Flag.NO_ERROR | Flag.WITHDRAWN
BITS = {bit.name: bit.value for bit in Flag}
# The rules that look at what is made of their columns, and what notes call that.
MADE = {"snr_min": "flux", "mag_below_limit_max": "positive flux"}


@overload
def clean(
    lc: Mapping,
    preset: str = ...,
    *,
    drop: bool = ...,
    by: str | Sequence[str] = ...,
    controls: Mapping | Sequence[Table] | None = ...,
    **overrides: float | u.Quantity | None,
) -> LightCurves: ...
@overload
def clean(
    lc: T,
    preset: str = ...,
    *,
    drop: bool = ...,
    by: str | Sequence[str] = ...,
    controls: Mapping | Sequence[Table] | None = ...,
    **overrides: float | u.Quantity | None,
) -> T: ...
def clean(
    lc: Table | Mapping,
    preset: str = "atlas",
    *,
    drop: bool = False,
    by: str | Sequence[str] = "band",
    controls: Mapping | Sequence[Table] | None = None,
    **overrides: float | u.Quantity | None,
) -> Table | LightCurves:
    """Flag the rows of a light curve that should not be trusted.

    Parameters
    ----------
    lc : `~astropy.timeseries.TimeSeries`, `~astropy.table.Table` or mapping
        A light curve; a stacked table of many, with a column that
        distinguishes them in `by`; or light curves by id.
    preset : {"atlas", "faq", "plot_atlas_fp", "skyportal", "ztf_forced", "atclean"}, optional
        The rules: those for light curves and forced photometry of the ATLAS
        Transient Server, or those of the forced photometry server's FAQ, of
        plot_atlas_fp, of SkyPortal, of ZTF's forced photometry service, or of ATClean.
    drop : bool, optional
        Whether flagged rows are left out; by default all rows are kept.
    by : str or sequence of str, optional
        Columns that separate rows where neighbours are compared, in addition to
        band and survey.
    controls : mapping or sequence of `~astropy.table.Table`, optional
        Control light curves, forced at positions where nothing is, of the same
        exposures; used by ``"atclean"``, which does not use them if there are none.
    **overrides : float, `~astropy.units.Quantity` or None
        Thresholds by name, in place of the preset's or in addition to them; None
        disables a rule. A bare number is in the unit of the column.

    Returns
    -------
    `~astropy.timeseries.TimeSeries` or LightCurves
        A new light curve, of the class of `lc`, or for a mapping one for each id,
        with the column

        ====== ========= =====================================================
        flag   int64     0 where the row is good, else bits of `Flag`, which
                         its description names; bits it had before are kept.
        ====== ========= =====================================================

        With ``"skyportal"``, ``detection`` says whether the row is without flags,
        and ``mag`` and ``mag_err`` are masked where it is not.

    Raises
    ------
    InvalidQueryError
        If a rule needs a column that is not there or is in a wrong unit, an
        override is not known, or rows of several objects would be compared.

    Notes
    -----
    Of a light curve that `~atlasquery.lightcurve.combine` made, the rules of a survey judge only
    the rows of that survey, by its columns (``atlas_x`` for ``x``): call it again with the preset
    of another. Rows that LSST has withdrawn are flagged as `Flag.WITHDRAWN` by every preset.

    A row is not judged by a rule whose column is masked in that row: a
    non-detection of the Transient Server has no position on the detector. A row that has
    neither a flux nor a magnitude nor a limit is flagged as `Flag.FAILED` by every preset,
    and one that has a flux without an error as `Flag.NO_ERROR`: what was masked because it
    stands for a failed fit is not good because nothing could be judged.
    ``meta["history"]`` counts such rows. Where a column is missing in all rows, its rule
    raises; set it to None to disable the rule.

    References
    ----------
    The rules and where they come from: https://fallingstar-data.com/forcedphot/faq/,
    https://github.com/thespacedoctor/plot-results-from-atlas-force-photometry-service,
    https://github.com/srest2021/atclean.

    Examples
    --------
    >>> from astropy.coordinates import SkyCoord
    >>> from atlasquery import Atlas
    >>> from atlasquery.lightcurve import Flag, clean
    >>> centre = SkyCoord(150.0, 2.2, unit="deg")
    >>> found = Atlas.query_region(centre, radius="2 arcmin")
    >>> lc = clean(Atlas.get_light_curve(found["atlas_id"][0]))
    >>> duplicates = lc["flag"] & Flag.DUPLICATE != 0
    >>> int(duplicates.sum())
    2
    """
    check_choice(preset, name="preset", known=PRESETS)
    chosen = PRESETS[preset]
    bounds = _bounds(chosen, overrides, controls)
    source = arrays_of(lc, [])
    survey = chosen.survey if source.has("flux_kind") and source.has("measurement") else ""
    if survey and not np.any(source.labels("survey")[0] == survey):
        bounds = {}
    elif survey:
        source = _with_survey_columns(source, survey, bounds)
    bounds = _applicable(source, preset, bounds, chosen.optional - overrides.keys())
    # Rules that look at one row at a time may see the rows of many objects.
    grouped = any(RULES[name].kind == "group" for name in bounds)
    by_columns = check_by(by, source) if grouped else ()
    flags, notes = _judge(source, bounds, by_columns, controls, survey)
    given = "".join(f", {name}={value}" for name, value in overrides.items())
    return _flagged(lc, source, flags, chosen, drop, _Said(f"clean: preset={preset}{given}", notes))


def _bounds(
    preset: Preset, overrides: Mapping, controls: Mapping | Sequence[Table] | None
) -> dict[str, Bound]:
    """Return the thresholds of a preset, with what was given in their place."""
    bounds: dict[str, Bound | None] = dict(preset.bounds)
    for name, value in overrides.items():
        bounds[name] = _check_override(name, value, bounds.get(name))
        if name.startswith("control_") and controls is None:
            raise InvalidQueryError(f"{name} is for control light curves: give controls=[...]")
    for start, needed in COMPANIONS.items():
        wanted = any(name.startswith(start) and bounds[name] is not None for name in bounds)
        if start == "control_":
            wanted = controls is not None
        of_kind = {name: bounds.pop(name) for name in [*bounds] if name.startswith(start)}
        complete = {**needed, **of_kind}
        if wanted and complete[next(iter(needed))] is not None:
            bounds |= complete
    return {name: bound for name, bound in bounds.items() if bound is not None}


def _check_override(name: str, value: object, present: Bound | None) -> Bound | None:
    rule = RULES.get(name)
    if rule is None:
        raise InvalidQueryError(f"{name} is not a threshold{suggest(name, RULES)}")
    if value is None:
        return None
    try:
        bare_number = not isinstance(value, (u.Quantity, str))
        # Magnitudes of astropy, such as 17 * u.ABmag, are of another class.
        quantity = u.Quantity(value, dtype=float, subok=True)
        if isinstance(quantity, u.Magnitude):
            quantity = quantity.to(u.ABmag).value * u.mag
        unit = rule.unit or u.dimensionless_unscaled
        number = quantity.value if bare_number else quantity.to_value(unit)
        if isinstance(value, (bool, np.bool_)) or np.ndim(number) or np.isnan(number):
            raise TypeError
    except (u.UnitsError, TypeError, ValueError) as error:
        what = f"in {rule.unit}" if rule.unit is not None else "without a unit"
        raise InvalidQueryError(
            f"{name}={value!r} should be one number {what}, or None to disable this rule"
        ) from error
    return Bound(float(number), strict=present is not None and present.strict)


def _applicable(
    source: CurveArrays, preset: str, bounds: dict[str, Bound], optional: frozenset[str]
) -> dict[str, Bound]:
    """Return the rules whose columns are there, or raise."""
    source.look_up({column for name in bounds for column in RULES[name].columns})
    left = {}
    for name, bound in bounds.items():
        missing = [column for column in RULES[name].columns if not source.has(column)]
        if not missing:
            left[name] = bound
        elif name not in optional:
            raise InvalidQueryError(
                f"the rule {name} of preset={preset!r} needs the column {missing[0]}, and lc has "
                f"none; set {name}=None to disable this rule"
            )
    source.check([c for name in left for c in RULES[name].columns], UNITS)
    return left


def _with_survey_columns(
    source: CurveArrays, survey: str, bounds: Mapping[str, Bound]
) -> CurveArrays:
    """Return combined light curves with the columns of one survey under its own names."""
    needed = {column for name in bounds for column in RULES[name].columns}
    found = {
        name: source.numbers_of_some(f"{survey}_{name}")
        for name in sorted(needed)
        if not source.has(name) and source.has_some(f"{survey}_{name}")
    }
    return source.with_columns(found) if found else source


class _Said(NamedTuple):
    """What the history says: the call, and what of its rules did not apply where."""

    call: str
    notes: list[str]

    def of(self, flags: np.ndarray) -> str:
        """Return the line for some rows."""
        raised = flags.compress(flags != 0)
        bad = len(raised)
        counts = [f"{int(n)} {bit.name}" for bit in Flag if (n := np.count_nonzero(raised & bit))]
        found = f"{self.call}: {bad} of {len(flags)} rows flagged"
        return "; ".join([found + (f" ({', '.join(counts)})" if counts else ""), *self.notes])


def _judge(
    source: CurveArrays,
    bounds: Mapping[str, Bound],
    by_columns: tuple[str, ...],
    controls: Mapping | Sequence[Table] | None,
    survey: str,
) -> tuple[np.ndarray, list[str]]:
    """Return the flags of all rows, and which rules could not judge how many of them."""
    flags, notes = flag_rows(source, bounds)
    flags[withdrawn(source)] |= int(Flag.WITHDRAWN)
    before = flags_of(source) if len(source.curves) else None
    if before is not None:
        flags |= before
    if controls is not None:
        flags |= _control_flags(source, bounds, controls)
    if "rolling_sigma" in bounds:
        flags |= flag_rolling(source, flags, bounds, by_columns)
    if "bin_width" in bounds:
        flags |= flag_bins(source, flags, bounds, by_columns)
    if survey:
        others = source.labels("survey")[0] != survey
        flags[others] &= int(OF_ANY_SURVEY)
        notes = [f"the rules are for {survey}; {int(others.sum())} rows are of other surveys"]
    if survey and before is not None:
        flags |= before
    return flags, notes


def _control_flags(
    source: CurveArrays, bounds: Mapping[str, Bound], controls: Mapping | Sequence[Table]
) -> np.ndarray:
    if len(source.curves) != 1:
        raise InvalidQueryError("controls are of one light curve; clean the others without them")
    if isinstance(controls, Table) or not len(controls):
        raise InvalidQueryError("controls should be a list of light curves")
    curves = list(controls.values()) if isinstance(controls, Mapping) else list(controls)
    names = [f"controls[{n}]" for n in range(len(curves))]
    rules = [name for name in bounds if RULES[name].kind != "group"]
    needed = {c for name in rules for c in RULES[name].columns} | {"exposure", "flux", "flux_err"}
    them = CurveArrays(curves, names, sorted(needed), UNITS)
    their_flags, _ = flag_rows(them, bounds)
    # Those that were cleaned before by other rules keep their flags.
    if (before := flags_of(them)) is not None:
        their_flags |= before
    return flag_by_controls(source, them, their_flags, bounds)


def flag_rows(source: CurveArrays, bounds: Mapping[str, Bound]) -> tuple[np.ndarray, list[str]]:
    """Judge each row by itself.

    Parameters
    ----------
    source : CurveArrays
        The columns of light curves.
    bounds : mapping of str to Bound
        The rules.

    Returns
    -------
    flags : `~numpy.ndarray` of int64
        The bits of each row.
    notes : list of str
        Which columns are masked in how many rows, that their rules did not judge.
    """
    flags = np.zeros(len(source), np.int64)
    looks = _looks(bounds)
    unjudged: dict[str, int] = {}
    first = 0
    empty = ("flux", "flux_err", "limiting_mag", "mag")
    source.look_up(empty)
    known = {name for name in empty if source.has(name)}
    for block in source.blocks(BLOCK):
        last = first + len(block)
        # Each column is read once, whatever looks at it.
        read = cache(block.numbers)
        _flag_empty(read, known, flags[first:last])
        for what, n in _judge_rows(read, looks, flags[first:last]).items():
            unjudged[what] = unjudged.get(what, 0) + n
        first = last
    alike: dict[int, list[str]] = {}
    for what, n in unjudged.items():
        alike.setdefault(n, []).append(what)
    notes = [f"not judged in {n} rows: {', '.join(names)}" for n, names in alike.items()]
    return flags, notes


def _flag_empty(read: Read, known: set[str], flags: np.ndarray) -> None:
    """Set the bits of rows that hold no measurement, which no rule could judge."""
    if "flux" not in known:
        return
    no_flux = np.isnan(read("flux"))
    some = bool(no_flux.any())
    if "flux_err" in known:
        no_error = np.isnan(read("flux_err"))
        if some:
            no_error &= ~no_flux
        if no_error.any():
            np.bitwise_or(flags, int(Flag.NO_ERROR), out=flags, where=no_error)
    if not some:
        return
    for name in ("limiting_mag", "mag"):
        if name in known:
            no_flux &= np.isnan(read(name))
    if no_flux.any():
        np.bitwise_or(flags, int(Flag.FAILED), out=flags, where=no_flux)


def _looks(bounds: Mapping[str, Bound]) -> dict[str, list[tuple[Rule, Bound]]]:
    """Return the rules of single rows by what they look at, so that each column is read once.

    What is made of several columns goes by the name of its rule.
    """
    looks: dict[str, list[tuple[Rule, Bound]]] = {}
    for name, bound in bounds.items():
        rule = RULES[name]
        if rule.kind != "group":
            for what in (name,) if name in MADE else rule.columns:
                looks.setdefault(what, []).append((rule, bound))
    return looks


def _judge_rows(
    read: Read, looks: Mapping[str, list[tuple[Rule, Bound]]], flags: np.ndarray
) -> dict[str, int]:
    """Set the bits of some rows, and return in how many of them what could not be judged."""
    unjudged: dict[str, int] = {}
    for what, rules in looks.items():
        values = _looked_at(read, what)
        missing = np.isnan(values)
        n_missing = int(np.count_nonzero(missing))
        for rule, bound in rules:
            bad = _is_bad(values, rule.kind, bound)
            if n_missing and rule.missing:
                bad |= missing
            elif n_missing:
                bad &= ~missing
                unjudged[MADE.get(what, what)] = n_missing
            if bad.any():
                np.bitwise_or(flags, int(rule.flag), out=flags, where=bad)
    return unjudged


def _looked_at(read: Read, what: str) -> np.ndarray:
    """Return a column, or what the rule of that name looks at."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        if what == "snr_min":
            return read("flux") / read("flux_err")
        if what == "mag_below_limit_max":
            # A negative flux has no magnitude to compare.
            return flux_to_mag(read("flux")) - read("limiting_mag")
        return read(what)


def _is_bad(values: np.ndarray, kind: str, bound: Bound) -> np.ndarray:
    """Return which values break a rule; whether NaN does is for the caller to say."""
    with np.errstate(invalid="ignore"):
        if kind == "equal":
            return np.not_equal(values, bound.value)
        low, high = (values, bound.value) if kind == "min" else (bound.value, values)
        return np.less_equal(low, high) if bound.strict else np.less(low, high)


def _flagged(
    lc: Table | Mapping,
    source: CurveArrays,
    flags: np.ndarray,
    preset: Preset,
    drop: bool,
    record: _Said,
) -> TimeSeries | LightCurves:
    """Return new light curves with their flags."""
    if not isinstance(lc, Mapping):
        return _with_flags(lc, flags, preset, drop, record)
    ids = list(lc)
    ends = source.ends

    def of(n: int) -> np.ndarray:
        return flags[int(ends[n - 1]) if n else 0 : int(ends[n])]

    def make(n: int) -> Table:
        return _with_flags(lc[ids[n]], of(n), preset, drop, record)

    def meta(n: int) -> dict:
        return new_meta(meta_of(lc, ids[n]), _note(record, of(n), drop), flag_bits=dict(BITS))

    # What else changes than the flags, or was cut before, is read from the tables themselves.
    simple = not preset.detects and not source.cut
    kept = flags == 0 if drop else None
    flagged_source = source.with_columns({"flag": flags}, kept) if simple else None
    return LightCurves(ids, make, what=record.call, source=flagged_source, meta=meta)


def _with_flags(lc: Table, flags: np.ndarray, preset: Preset, drop: bool, record: _Said) -> Table:
    columns = {"flag": flag_column(flags.copy())}
    if preset.detects:
        columns |= _detections(lc, flags == 0)
    kept = flags == 0 if drop else None
    return derive(lc, columns, _note(record, flags, drop), rows=kept, flag_bits=dict(BITS))


def _note(record: _Said, flags: np.ndarray, drop: bool) -> str:
    return record.of(flags) + ("; they are left out" if drop else "")


def _detections(lc: Table, good: np.ndarray) -> dict:
    """Return the columns that say what is a detection, and its magnitude."""
    one = CurveArrays([lc], ["lc"], ("flux", "flux_err"))
    flux = one.numbers("flux")
    with np.errstate(invalid="ignore"):
        detection = good & (flux > 0)
    mag, mag_err = magnitudes(flux, one.numbers("flux_err"), detection)
    return {
        "detection": table_column(DECLARED["detection"], detection, None),
        "mag": measured_column("mag", mag),
        "mag_err": measured_column("mag_err", mag_err),
    }
