"""Light curves of several services as tables: columns of all, and of each survey."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from astropy.table import MaskedColumn, Table
from astropy.time import Time, TimeDelta
from astropy.timeseries import TimeSeries
from astropy.utils.masked import Masked

from atlasquery.lightcurve.arrays import CurveArrays
from atlasquery.lightcurve.combine_rows import (
    FLUX_KINDS,
    LOOKED_UP,
    MAGNITUDE_SYSTEMS,
    USUAL,
    WORDS,
    CombinedRows,
    InputCurves,
    five_sigma_limits,
    is_combined,
)
from atlasquery.lightcurve.flags import flag_column
from atlasquery.lightcurve.schema import (
    MJD_0,
    SCHEMA,
    Conventions,
    describe_flux,
    schema_columns,
)
from atlasquery.tables import Column, LightCurve, Rows, assemble_series, table_column
from atlasquery.tables.coordinate_systems import ReferencePosition

__all__ = ["COMBINED", "CombinedTables"]

#: The columns that all combined light curves have in addition to those of `SCHEMA`.
COMBINED = (
    Column("measurement", str, about="detection, forced, or limit where no flux is known.",
           required=True),
    Column("service", str, about="Service that sent the row.", required=True),
    Column("flux_kind", str, about="Flux of a difference image, or total flux of the object.",
           required=True),
    Column("magsys", str, about="System of mag: AB, Vega or unknown.", required=True),
    Column("duplicate_of", str, about="Service and exposure of the measurement it repeats."),
    Column("exposure_time_known", bool, about="False: the survey's usual exposure_time.",
           required=True),
    Column("time_reference", str, about="What the survey's time was of the exposure.",
           required=True),
)  # fmt: skip
SCHEMA_NAMES = {"time", *(column.name for column in SCHEMA)}
COMBINED_NAMES = {column.name for column in COMBINED}
# Columns of this package in any light curve, which need no survey before their names.
HOUSE_NAMES = {*SCHEMA_NAMES, "flag"}
NOT_LETTERS = re.compile(r"\W+")
# MJD under the mask of a time.
NO_TIME = 51544.0


class CombinedTables:
    """The light curves of all objects, each made when it is requested.

    Parameters
    ----------
    inputs : InputCurves
        The light curves given.
    rows : CombinedRows
        Their rows in the order of the result.
    scale : str
        The time scale of the result.
    barycentric : bool
        Whether times were brought to the barycentre.
    drop : bool
        Whether duplicates are left out.
    """

    def __init__(
        self,
        inputs: InputCurves,
        rows: CombinedRows,
        *,
        scale: str,
        barycentric: bool,
        drop: bool,
    ):
        self.inputs, self.rows, self.scale = inputs, rows, scale
        self._barycentric, self._drop = barycentric, drop
        self._first_curve = np.searchsorted(inputs.owner, np.arange(len(rows.lengths) + 1))
        ends = np.cumsum([0, *inputs.lengths])
        self._ends = ends
        self._first_input = ends[self._first_curve]
        self.edges = np.concatenate([[0], np.cumsum(rows.lengths)])
        self.kept = np.flatnonzero(rows.repeats < 0) if drop and (rows.repeats >= 0).any() else None
        self._columns: dict[str, tuple[int, Any]] | None = None

    def __len__(self) -> int:
        return len(self.rows.lengths)

    def curves_of(self, n: int) -> InputCurves:
        """Return the light curves that one object has.

        Parameters
        ----------
        n : int
            The number of the object.

        Returns
        -------
        InputCurves
            In the order in which columns come.
        """
        return self.inputs.part(slice(int(self._first_curve[n]), int(self._first_curve[n + 1])))

    def inputs_of(self, objects: slice) -> tuple[int, int]:
        """Return which light curves are of some objects.

        Parameters
        ----------
        objects : slice
            Numbers of objects.

        Returns
        -------
        first, last : int
            The first, and the one after the last.
        """
        return int(self._first_curve[objects.start]), int(self._first_curve[objects.stop])

    def first_row(self, curve: int) -> int:
        """Return which row of all is the first of a light curve given.

        Parameters
        ----------
        curve : int
            The number of the light curve.

        Returns
        -------
        int
            Of all light curves concatenated.
        """
        return int(self._ends[curve])

    def table(self, n: int) -> TimeSeries:
        """Return the light curve of one object.

        Parameters
        ----------
        n : int
            The number of the object.

        Returns
        -------
        `~astropy.timeseries.TimeSeries`
            It shares no column with those given.
        """
        whole = slice(int(self.edges[n]), int(self.edges[n + 1]))
        inputs, rows = self.curves_of(n), self.rows.of(whole)
        order = rows.index - int(self._first_input[n])
        meta = self._meta(inputs, rows, n)
        source = CurveArrays(inputs.curves, inputs.names, mixed_scales=True)
        values = _schema_values(source, rows, order)
        copies = copies_in_words(rows, values["exposure"], self.inputs.known_services)
        if self._drop:
            kept = rows.repeats < 0
            order = order[kept]
            values = {name: array[kept] for name, array in values.items()}
            copies = copies[0][kept], copies[1][kept]
            rows = replace(
                rows,
                **{name: array[kept] for name, array in vars(rows).items() if name != "lengths"},
            )
        further = _combined_columns(rows, copies, self.inputs.known_services)
        # A masked time needs some value.
        unknown = np.isnan(rows.jd1) | np.isnan(rows.jd2)
        jd1 = np.where(unknown, NO_TIME + MJD_0, rows.jd1)
        jd2 = np.where(unknown, 0.0, rows.jd2)
        columns = schema_columns((jd1, jd2), values, further, scale=self.scale)
        where = "at the barycentre" if self._barycentric else "of the exposure"
        columns[0].info.description = f"Middle {where}; see time_reference."
        if unknown.any():
            columns[0][unknown] = np.ma.masked
        columns += _further_columns(inputs, source.lengths, order)
        series = assemble_series(LightCurve(), columns)
        series.meta.update(meta)
        describe_flux(series)
        series.columns["limiting_mag"].info.description = "5-sigma limit, AB."
        return series

    def has(self, name: str) -> bool:
        """Return whether any light curve has a column.

        Parameters
        ----------
        name : str
            The column.

        Returns
        -------
        bool
            It is masked in rows of others.
        """
        if name in SCHEMA_NAMES or name in COMBINED_NAMES:
            return True
        return name in self._further_of_all()

    def prototype(self) -> Table:
        """Return a light curve without rows, with the columns of all objects.

        Returns
        -------
        `~astropy.table.Table`
            With their descriptions.
        """
        table = Table(self.table(0)[:0], copy=False)
        for name, (n, _) in self._further_of_all().items():
            if name not in table.columns:
                table[name] = self.table(n)[name][:0]
        return table

    def survey_column(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Return a column of a survey for the rows of all light curves, in the order given.

        Parameters
        ----------
        name : str
            The column, or ``flag``.

        Returns
        -------
        values, mask : `~numpy.ndarray`
            Masked in rows of light curves that do not have it.
        """
        starts = np.concatenate([[0], np.cumsum(self.inputs.lengths)]).tolist()
        pieces = []
        for n in range(len(self)):
            first = int(self._first_curve[n])
            inputs = self.curves_of(n)
            if name == "flag":
                found = [(k, lc.columns.get(name)) for k, lc in enumerate(inputs.curves)]
            else:
                found = [(k, column) for k, full, column in _further(inputs, name) if full == name]
            pieces += [
                (slice(starts[first + k], starts[first + k + 1]), *_values_and_mask(column))
                for k, column in found
                if column is not None
            ]
        return _filled(pieces, starts[-1])

    def _further_of_all(self) -> dict[str, tuple[int, Any]]:
        """Return the first object and column of each name that not all light curves have."""
        if self._columns is None:
            self._columns = {}
            seen: set = set()
            for n in range(len(self)):
                inputs = self.curves_of(n)
                layout = tuple(
                    (service, lc.meta.get("survey"), *lc.columns)
                    for service, lc in zip(inputs.services, inputs.curves, strict=True)
                )
                if layout in seen:
                    continue
                seen.add(layout)
                for _, full, column in _further(inputs):
                    self._columns.setdefault(full, (n, column))
                if any("flag" in lc.columns for lc in inputs.curves):
                    self._columns.setdefault("flag", (n, None))
        return self._columns

    def meta(self, n: int) -> dict:
        """Return the metadata of the light curve of one object.

        Parameters
        ----------
        n : int
            The number of the object.

        Returns
        -------
        dict
            As its table has them.
        """
        whole = slice(int(self.edges[n]), int(self.edges[n + 1]))
        return self._meta(self.curves_of(n), self.rows.of(whole), n)

    def _meta(self, inputs: InputCurves, rows: CombinedRows, n: int) -> dict:
        metas = [lc.meta for lc in inputs.curves]
        surveys = sorted(set(", ".join(str(m.get("survey", "")) for m in metas).split(", ")))
        names = [str(m["object"]) for m in metas if m.get("object")]
        positions = [m["coordinates"] for m in metas if isinstance(m.get("coordinates"), SkyCoord)]
        kinds = FLUX_KINDS[np.unique(rows.flux_kind)].tolist()
        systems = MAGNITUDE_SYSTEMS[np.unique(rows.magsys)].tolist()
        positions_of_times: list[ReferencePosition] = [one.position for one in inputs.conventions]
        common = positions_of_times[0] if len(set(positions_of_times)) == 1 else "topocenter"
        conventions = Conventions(
            "middle",
            kinds[0] if len(kinds) == 1 else "unknown",
            systems[0] if len(systems) == 1 else "unknown",
            "barycenter" if self._barycentric else common,
            "middle of exposure, at the barycentre" if self._barycentric else "",
        )
        bits = [m["flag_bits"] for m in metas if "flag_bits" in m]
        return {
            "survey": ", ".join(filter(None, surveys)),
            # A name says more than a number.
            "object": min(names, key=str.isdigit) if names else "",
            **({"coordinates": positions[0]} if positions else {}),
            **conventions.meta(),
            "sources": _sources(inputs),
            **({"flag_bits": dict(bits[0])} if bits else {}),
            "history": [*_histories(inputs), self._note(inputs, rows)],
        }

    def _note(self, inputs: InputCurves, rows: CombinedRows) -> str:
        """Return what the history says."""
        counts = {
            "duplicates " + ("left out" if self._drop else "marked"): rows.repeats >= 0,
            "times of an unknown moment of the exposure": rows.uncertain,
            "exposure times from another row of the exposure": rows.exposure_known == LOOKED_UP,
            "exposure times that the survey usually has": rows.exposure_known == USUAL,
            "rows of an unknown site, for which the centre of the Earth was taken": rows.nowhere,
        }
        duplicates, *others = [
            f"{int(np.count_nonzero(some))} {what}" for what, some in counts.items()
        ]
        counted = [duplicates, *(line for line in others if not line.startswith("0 "))]
        how = f"scale={self.scale}" + (", barycentric" if self._barycentric else "")
        n = len(inputs)
        plural = "s" if n != 1 else ""
        given = f"{len(rows.index)} rows of {n} light curve{plural}"
        return f"combine: {given}; {how}; {'; '.join(counted)}"


def _sources(inputs: InputCurves) -> list[dict]:
    """Return what is known of the origin of each light curve."""
    wanted = ("server", "query", "obtained", "object", "survey", "source", "task_id", "reduced")
    found = []
    for service, lc in zip(inputs.services, inputs.curves, strict=True):
        if is_combined(lc):
            found += lc.meta.get("sources", [])
            continue
        items = {key: lc.meta[key] for key in wanted if lc.meta.get(key) not in (None, "")}
        plain = {k: v for k, v in items.items() if isinstance(v, (str, int, float, bool))}
        found.append({"service": service, "rows": len(lc), **plain})
    return found


def _histories(inputs: InputCurves) -> list[str]:
    return [
        line if is_combined(lc) else f"{service}: {line}"
        for service, lc in zip(inputs.services, inputs.curves, strict=True)
        for line in lc.meta.get("history", ())
    ]


def _schema_values(
    source: CurveArrays, rows: CombinedRows, order: np.ndarray
) -> dict[str, np.ndarray]:
    """Return the columns of `SCHEMA` in the order of the result."""
    values: dict[str, np.ndarray] = {}
    for column in SCHEMA:
        if column.kind is float:
            values[column.name] = source.numbers(column.name)[order]
        elif column.kind is bool:
            values[column.name] = source.truths(column.name)[order]
        else:
            texts = source.labels(column.name)[0][order]
            values[column.name] = texts if texts.dtype.kind == "U" else texts.astype(np.str_)
    values["exposure_time"] = rows.exposure_time.copy()
    values["limiting_mag"] = five_sigma_limits(source)[order]
    return values


def copies_in_words(
    rows: CombinedRows, exposures: np.ndarray, services: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Return which measurement each row repeats, in words.

    Parameters
    ----------
    rows : CombinedRows
        The rows.
    exposures : `~numpy.ndarray` of str
        The names of their exposures.
    services : sequence of str
        The services that `rows` has numbers of.

    Returns
    -------
    words : `~numpy.ndarray` of str
        Service and exposure, or where it has no name the MJD.
    none : `~numpy.ndarray` of bool
        The rows that repeat none.
    """
    again = np.flatnonzero(rows.repeats >= 0)
    none = rows.repeats < 0
    if not len(again):
        return np.full(len(none), "", dtype="U1"), none
    leaders = rows.repeats[again]
    mjd = (rows.jd1 - MJD_0 + rows.jd2)[leaders]
    words = [
        f"{services[service]} {exposure or f'{moment:.6f}'}".strip()
        for service, exposure, moment in zip(
            rows.service[leaders].tolist(), exposures[leaders].tolist(), mjd.tolist(), strict=True
        )
    ]
    texts = np.full(len(none), "", dtype=f"U{max(map(len, words))}")
    texts[again] = words
    return texts, none


def _combined_columns(
    rows: CombinedRows, copies: tuple[np.ndarray, np.ndarray], services: Sequence[str]
) -> Rows:
    """Return the columns of `COMBINED`."""
    values: dict[str, np.ndarray] = {
        name: known[getattr(rows, attribute)] for name, (attribute, known) in WORDS.items()
    }
    values["service"] = np.array(services, np.str_)[rows.service]
    values["exposure_time_known"] = rows.exposure_known != USUAL
    values["duplicate_of"], none = copies
    found = Rows(length=len(rows.index))
    for column in COMBINED:
        mask = none if column.name == "duplicate_of" else None
        found.add(column, values[column.name], mask)
    return found


def prefix_of(service: str, lc: Table) -> str:
    """Return what stands before the names of the columns that only one survey has.

    Parameters
    ----------
    service : str
        The service.
    lc : `~astropy.table.Table`
        Its light curve.

    Returns
    -------
    str
        The survey, or the service where one light curve has several; empty for one that was
        combined before.
    """
    if is_combined(lc):
        return ""
    survey = str(lc.meta.get("survey", ""))
    one = service if service == "skyportal" or not survey or "," in survey else survey
    return f"{NOT_LETTERS.sub('_', one) or 'other'}_"


def _further(inputs: InputCurves, only: str = "") -> Iterator[tuple[int, str, Any]]:
    """Yield the number of a light curve, the name in the result, and each of its survey columns.

    With `only`, those that are called so in the result, or share its name.
    """
    kinds: dict[str, tuple] = {}
    for n, (service, lc) in enumerate(zip(inputs.services, inputs.curves, strict=True)):
        prefix = prefix_of(service, lc)
        left_out = HOUSE_NAMES | (COMBINED_NAMES if not prefix else set())
        for name, column in lc.columns.items():
            if name in left_out:
                continue
            full = wanted = prefix + name
            if only and not only.startswith(wanted):
                continue
            number = 1
            # What has another type or unit is another column.
            while kinds.setdefault(full, _kind(column)) != _kind(column):
                number += 1
                full = f"{wanted}_{number}"
            yield n, full, column


def _kind(column: Any) -> tuple:
    if isinstance(column, (Time, TimeDelta)):
        return type(column).__name__, column.scale, column.format
    dtype = getattr(column, "dtype", np.dtype(object))
    unit = getattr(column, "unit", None)
    return dtype.kind, str(unit or ""), np.shape(column)[1:]


def _further_columns(inputs: InputCurves, lengths: np.ndarray, order: np.ndarray) -> list:
    """Return the survey columns in the order of the result, masked where a survey has none."""
    starts = np.concatenate([[0], np.cumsum(lengths)])
    parts: dict[str, list[tuple[int, Any]]] = {}
    for n, name, column in _further(inputs):
        parts.setdefault(name, []).append((n, column))
    total = int(starts[-1])
    found = []
    flags = [(n, lc.columns["flag"]) for n, lc in enumerate(inputs.curves) if "flag" in lc.columns]
    if flags:
        whole = np.zeros(total, np.int64)
        for n, column in flags:
            whole[starts[n] : starts[n + 1]] = np.ma.filled(np.ma.asarray(column), 0)
        found.append(flag_column(whole[order]))
    for name, columns in parts.items():
        pieces = [(slice(int(starts[n]), int(starts[n + 1])), column) for n, column in columns]
        joined = _joined_column(name, pieces, total, order)
        found.append(joined)
    return found


def _joined_column(
    name: str, pieces: list[tuple[slice, Any]], total: int, order: np.ndarray
) -> Any:
    """Return one survey column."""
    first = pieces[0][1]
    if isinstance(first, (Time, TimeDelta)):
        return _joined_times(name, pieces, total, order)
    whole, mask = _filled([(rows, *_values_and_mask(column)) for rows, column in pieces], total)
    dtype = whole.dtype
    about = first.info.description or ""
    whole, mask = whole[order], mask[order]
    unit = getattr(first, "unit", None)
    if isinstance(first, u.Quantity):
        if dtype.kind == "f":
            whole = np.where(mask, np.nan, whole)
        quantity = Masked(u.Quantity(whole, unit, subok=True), mask=mask)
        quantity.info.name, quantity.info.description = name, about or None
        return quantity
    if whole.ndim == 1 and dtype.kind in "fiubU":
        return table_column(Column(name, object, unit=unit, about=about), whole, mask)
    return MaskedColumn(whole, name=name, mask=mask, unit=unit, description=about or None)


def _filled(
    pieces: Sequence[tuple[slice, np.ndarray, np.ndarray]], total: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return a column of which some rows are known, and where it is masked."""
    # A light curve without rows does not know how wide its strings are.
    dtype = np.result_type(*(values.dtype for _, values, _ in pieces))
    blank: Any = np.nan if dtype.kind == "f" else np.zeros(1, dtype)[0]
    whole = np.full((total, *pieces[0][1].shape[1:]), blank, dtype)
    mask = np.ones(whole.shape, bool)
    for rows, values, missing in pieces:
        whole[rows], mask[rows] = values, missing
    return whole, mask


def _joined_times(name: str, pieces: list[tuple[slice, Any]], total: int, order: np.ndarray) -> Any:
    first = pieces[0][1]
    delta = isinstance(first, TimeDelta)
    jd1, jd2 = np.full(total, 0.0 if delta else NO_TIME + MJD_0), np.zeros(total)
    mask = np.ones(total, bool)
    for rows, column in pieces:
        missing = np.broadcast_to(np.asarray(column.mask), len(column))
        known = ~missing
        mask[rows] = missing
        for whole, part in ((jd1, column.jd1), (jd2, column.jd2)):
            whole[rows] = np.where(known, np.asarray(getattr(part, "unmasked", part)), whole[rows])
    kind = TimeDelta if delta else Time
    times = kind(jd1[order], jd2[order], format="jd", scale=first.scale)
    times.format = first.format
    if mask[order].any():
        times[mask[order]] = np.ma.masked
    times.info.name, times.info.description = name, first.info.description
    return times


def _values_and_mask(column: Any) -> tuple[np.ndarray, np.ndarray]:
    if isinstance(column, MaskedColumn):
        return np.asarray(column.data.data), np.ma.getmaskarray(column)
    values = np.asarray(getattr(getattr(column, "unmasked", column), "value", column))
    mask = getattr(column, "mask", None)
    return values, np.zeros(values.shape, bool) if mask is None else np.asarray(mask)
