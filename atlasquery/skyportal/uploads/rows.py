"""The rows of a light curve as SkyPortal takes them."""

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from astropy.table import Table
from astropy.time import Time
from astropy.utils.masked import get_data_and_mask

from atlasquery.exceptions import InvalidQueryError
from atlasquery.lightcurve.arrays import CurveArrays
from atlasquery.lightcurve.flags import FAINT, Flag, flags_of
from atlasquery.lightcurve.schema import LN10_2_5, MJD_0, ZERO_POINT, Conventions, mag_to_flux
from atlasquery.service.inputs import check_choice, suggest
from atlasquery.skyportal.payloads.values import as_json
from atlasquery.skyportal.tables.bands import bandpass_of, check_bands

__all__ = ["FLUX", "LIMIT", "PreparedRows", "body", "prepare_rows"]

#: The two forms in which a row is sent.
FLUX, LIMIT = "flux", "limit"
FLAGGED = ("send", "skip")
# What stands in each row of the two forms.
KEYS = {
    FLUX: ("mjd", "filter", "flux", "fluxerr"),
    LIMIT: ("mjd", "filter", "mag", "magerr", "limiting_mag"),
}


@dataclass
class PreparedRows:
    """The rows of a light curve, each in one of two forms or with the reason why in none.

    Parameters
    ----------
    values : dict of str to list
        What is sent, by its name on the wire: None where it is null.
    form : list of str
        `FLUX`, `LIMIT`, or empty where the row is not sent.
    reason : list of str
        Why a row is not sent.
    left_out : list of bool
        Whether that is what the user has chosen.
    same_as : list of int
        The row that stands for this one on the server; mostly itself.
    limit_sigma : float
        How many errors the limits are.
    altdata : dict of str to list
        Further values, of which the server keeps what is not None.
    """

    values: dict[str, list]
    form: list[str]
    reason: list[str]
    left_out: list[bool]
    same_as: list[int]
    limit_sigma: float
    altdata: dict[str, list]

    def __len__(self) -> int:
        return len(self.form)

    def sent(self) -> Iterator[tuple[str, list[int]]]:
        """Yield the rows that are sent, those of each form together.

        Yields
        ------
        form : str
            The form.
        rows : list of int
            The rows, in order.
        """
        for form in (FLUX, LIMIT):
            rows = [n for n, kind in enumerate(self.form) if kind == form and self.same_as[n] == n]
            if rows:
                yield form, rows

    def unsendable(self) -> list[tuple[int, str]]:
        """Return the rows that cannot be sent, though nobody chose to leave them out.

        Returns
        -------
        list of tuple
            The row and the reason.
        """
        return [
            (n, reason)
            for n, (reason, chosen) in enumerate(zip(self.reason, self.left_out, strict=True))
            if reason and not chosen
        ]

    def payload(self, row: int) -> dict:
        """Return what is sent of one row.

        Parameters
        ----------
        row : int
            A row that is sent.

        Returns
        -------
        dict
            By its names on the wire.
        """
        row_payload = {key: self.values[key][row] for key in KEYS[self.form[row]]}
        extra = {key: values[row] for key, values in self.altdata.items()}
        return {**row_payload, "altdata": extra} if extra else row_payload


def body(prepared: PreparedRows, rows: Sequence[int], shared: Mapping) -> dict:
    """Return what is sent of some rows of one form.

    Parameters
    ----------
    prepared : PreparedRows
        The light curve.
    rows : sequence of int
        The rows.
    shared : mapping
        What is the same for all of them.

    Returns
    -------
    dict
        The body of a request.
    """
    form = prepared.form[rows[0]]
    # See docs/servers/skyportal.rst, "Limits of uploaded magnitudes".
    kind = {"zp": ZERO_POINT} if form == FLUX else {"limiting_mag_nsigma": prepared.limit_sigma}
    payload = {**shared, "magsys": "ab", **kind}
    for key in KEYS[form]:
        payload[key] = [prepared.values[key][row] for row in rows]
    if prepared.altdata:
        payload["altdata"] = {
            key: [values[row] for row in rows] for key, values in prepared.altdata.items()
        }
    return payload


def prepare_rows(
    lc: Table,
    *,
    instrument: str,
    filters: Collection[str],
    bands: Mapping[str, str] | None = None,
    flagged: str | None = None,
    altdata: Sequence[str] = (),
) -> PreparedRows:
    """Turn a light curve into what SkyPortal takes.

    Parameters
    ----------
    lc : `~astropy.timeseries.TimeSeries`
        A light curve of any survey.
    instrument : str
        The instrument, for messages.
    filters : collection of str
        The filters that it has.
    bands : mapping of str to str, optional
        SkyPortal's names of bands, before those of `~atlasquery.skyportal.tables.bands.FILTERS`.
    flagged : {"send", "skip"}, optional
        What to do with rows that `~atlasquery.lightcurve.clean` has flagged as bad.
    altdata : sequence of str, optional
        Columns that go with each row.

    Returns
    -------
    PreparedRows
        For each row of `lc`, in its order.

    Raises
    ------
    InvalidQueryError
        If it is no light curve, magnitudes that would be sent are not AB, or rows are
        flagged and nothing was chosen for them.
    """
    source = CurveArrays([lc], ["lc"], ["band"])
    band, known = source.labels("band")
    band = np.where(known, band.astype(np.str_), "")
    pairs = list(zip(_texts(source, "survey").tolist(), band.tolist(), strict=True))
    chosen = check_bands(bands, set(band.tolist()) - {""}, filters, instrument)
    names = {pair: bandpass_of(*pair, chosen, filters, instrument) for pair in set(pairs)}
    columns = {
        "mjd": _mjd_utc(lc["time"]),
        "filter": np.array([names[pair][0] for pair in pairs], dtype=np.str_),
        **_measurements(source),
    }
    form, reason = _forms(columns, np.array([names[pair][1] for pair in pairs], dtype=np.str_))
    _check_system(lc, np.isnan(source.numbers("flux")) if source.has("flux") else None, form)
    skipped = _flagged_rows(source, flagged)
    for row, why in skipped.items():
        form[row], reason[row] = "", why
    left_out = [row in skipped for row in range(len(form))]
    prepared = PreparedRows(
        values=_wire(columns),
        form=form,
        reason=reason,
        left_out=left_out,
        same_as=list(range(len(form))),
        limit_sigma=_limit_sigma(lc) if LIMIT in form else 5.0,
        altdata=_altdata(lc, altdata),
    )
    _merge_same(prepared)
    return prepared


def _check_system(lc: Table, no_flux: np.ndarray | None, form: Sequence[str]) -> None:
    """Refuse magnitudes that are not AB where they, or limits, are what is sent."""
    if Conventions.of(lc.meta).magsys == "AB":
        return
    system = lc.meta["magsys"]
    if any(one and (no_flux is None or no_flux[row]) for row, one in enumerate(form)):
        raise InvalidQueryError(
            f"lc.meta['magsys'] is {system!r}, and rows without a flux would be sent as AB. If you "
            "know that the magnitudes are AB, set it to 'AB'; else turn them into fluxes first"
        )


def _limit_sigma(lc: Table) -> float:
    # The server takes any number, and makes errors of the limits with it.
    given = lc.meta.get("limit_sigma", 5.0)
    try:
        sigma = float(given)
    except (TypeError, ValueError):
        sigma = math.nan
    if not (math.isfinite(sigma) and sigma > 0):
        raise InvalidQueryError(
            f"lc.meta['limit_sigma']={given!r:.80} should be a number above 0: how many errors the "
            "limits are"
        )
    return sigma


def _texts(source: CurveArrays, name: str) -> np.ndarray:
    if not source.has(name):
        return np.full(len(source), "")
    values, known = source.labels(name)
    return np.where(known, values.astype(np.str_), "")


def _mjd_utc(time: Time) -> np.ndarray:
    """Return MJD in UTC, which is what the server's ``mjd`` is taken to be."""
    if time.scale == "local":
        raise InvalidQueryError(
            "the column time of lc is in the scale 'local', which cannot be turned into UTC"
        )
    mask = np.asarray(time.mask)
    # Where the time is masked any other one will do; what is under a mask may be no time.
    if mask.any():
        time = Time(np.where(mask, 0.0, time.unmasked.mjd), format="mjd", scale=time.scale)
    try:
        utc = time.utc
    except Exception as error:
        # Such as UT1 outside the table of the Earth's rotation.
        raise InvalidQueryError(
            f"the column time of lc is in {time.scale!r} and cannot be turned into UTC: {error}"
        ) from error
    # In this order nothing is lost of times that began as MJD in UTC.
    return np.where(mask, np.nan, (utc.jd1 - MJD_0) + utc.jd2)


def _measurements(source: CurveArrays) -> dict[str, np.ndarray]:
    """Return fluxes, their errors, and limits; a flux from the magnitude where there is none."""
    found = {}
    for name in ("flux", "flux_err", "mag", "mag_err", "limiting_mag"):
        if source.has(name):
            source.check((name,))
            found[name] = source.numbers(name)
        else:
            found[name] = np.full(len(source), np.nan)
    from_mag = mag_to_flux(found["mag"])
    from_mag_err = from_mag * found["mag_err"] / LN10_2_5
    replaced = np.isnan(found["flux"]) & np.isfinite(from_mag_err)
    return {
        "flux": np.where(replaced, from_mag, found["flux"]),
        "fluxerr": np.where(replaced, from_mag_err, found["flux_err"]),
        "limiting_mag": found["limiting_mag"],
    }


def _forms(columns: Mapping[str, np.ndarray], no_band: np.ndarray) -> tuple[list[str], list[str]]:
    """Return the form of each row, and why it has none."""
    flux, error, limit = columns["flux"], columns["fluxerr"], columns["limiting_mag"]
    # fluxerr 0 is taken by the server, and makes an infinite signal to noise.
    good_error = np.isfinite(error) & (error > 0)
    known = ~np.isnan(flux)
    as_flux = good_error & ~np.isinf(flux)
    as_limit = ~known & np.isfinite(limit) & ~as_flux
    form = np.select([as_flux, as_limit], [FLUX, LIMIT], "")
    reasons = np.select(
        [
            ~np.isfinite(columns["mjd"]),
            no_band != "",
            form != "",
            np.isinf(flux),
            known,
        ],
        [
            "no time",
            no_band,
            "",
            "the flux is infinite",
            "flux_err should be above 0",
        ],
        "neither a flux with its error nor a limit is known",
    )
    reason = reasons.tolist()
    for row in np.flatnonzero(reasons == "flux_err should be above 0").tolist():
        right = "finite" if error[row] > 0 else "above 0"
        known = not np.isnan(error[row])
        reason[row] = f"flux_err={error[row]:g} should be {right}" if known else "no flux_err"
    return np.where(reasons == "", form, "").tolist(), reason


def _flagged_rows(source: CurveArrays, flagged: str | None) -> dict[int, str]:
    """Return the rows that are flagged and not to be sent, with their flags."""
    if flagged is not None:
        check_choice(flagged, name="flagged", known=FLAGGED)
    flags = flags_of(source)
    if flags is None or flagged == "send":
        return {}
    bad = flags & ~int(FAINT)
    rows = np.flatnonzero(bad).tolist()
    if rows and flagged is None:
        raise InvalidQueryError(
            f"{len(rows)} of the {len(flags)} rows of lc are flagged as bad, the first of them row "
            f"{rows[0]} ({_flag_names(bad[rows[0]])}): say flagged='skip' to leave them out, or "
            "flagged='send'"
        )
    return {row: f"flagged {_flag_names(bad[row])}" for row in rows}


def _flag_names(bits: int) -> str:
    return ", ".join(str(bit.name) for bit in Flag if bits & bit) or str(int(bits))


def _wire(columns: Mapping[str, np.ndarray]) -> dict[str, list]:
    """Return columns as they are sent: null where a number is not known."""
    n = len(columns["mjd"])
    values = {"filter": columns["filter"].tolist(), "mag": [None] * n, "magerr": [None] * n}
    for name in ("mjd", "flux", "fluxerr", "limiting_mag"):
        values[name] = [x if math.isfinite(x) else None for x in columns[name].tolist()]
    return values


def _merge_same(prepared: PreparedRows) -> None:
    """Let one row stand for those that the server would not tell apart.

    It tells rows of an object, an instrument and an origin apart by time, flux and
    error, and not by their filter.
    """
    first: dict[tuple, int] = {}
    values = prepared.values
    for row, form in enumerate(prepared.form):
        if not form:
            continue
        names = ("flux", "fluxerr") if form == FLUX else ("limiting_mag",)
        key = (form, values["mjd"][row], *(values[name][row] for name in names))
        other = first.setdefault(key, row)
        if other == row:
            continue
        if values["filter"][other] == values["filter"][row]:
            prepared.same_as[row] = other
            continue
        prepared.form[row] = ""
        prepared.reason[row] = (
            f"row {other} has the same time, flux and error in {values['filter'][other]}, and "
            "SkyPortal keeps one of them only"
        )


def _altdata(lc: Table, names: Sequence[str]) -> dict[str, list]:
    if not isinstance(names, Iterable):
        raise InvalidQueryError(f"altdata={names!r:.80} should be names of columns of lc")
    names = [names] if isinstance(names, str) else list(names)
    return as_json({name: _plain(lc, name) for name in names}, "altdata")


def _plain(lc: Table, name: str) -> list:
    """Return a column as JSON has it: without units, None where masked."""
    if name not in lc.colnames:
        raise InvalidQueryError(
            f"altdata has {name!r}, which is not a column in lc{suggest(name, lc.colnames)}"
        )
    column = lc[name].mjd if isinstance(lc[name], Time) else lc[name]
    data, mask = get_data_and_mask(getattr(column, "value", column))
    data = np.asarray(data)
    if data.ndim != 1 or data.dtype.kind not in "biufUS":
        raise InvalidQueryError(
            f"altdata has {name!r}, a column of type {data.dtype} and shape {data.shape[1:]}: it "
            "should be of single numbers, strings or booleans"
        )
    hidden = np.zeros(len(data), bool) if mask is None else np.asarray(mask)
    if data.dtype.kind == "f":
        hidden = hidden | ~np.isfinite(data)
    texts = data.astype(np.str_) if data.dtype.kind == "S" else data
    return [None if masked else value for masked, value in zip(hidden, texts.tolist(), strict=True)]
