"""Upload spectra: in the units that the server knows, once, and read back where that is needed."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import astropy.units as u
import numpy as np
from astropy.table import Table
from astropy.time import Time
from astropy.utils.masked import get_data_and_mask

from atlasquery.exceptions import InvalidQueryError
from atlasquery.service.inputs import check_choice, suggest
from atlasquery.service.write_outcomes import WriteOutcome
from atlasquery.skyportal.base import SkyPortalQuery
from atlasquery.skyportal.payloads.values import as_json, check_text, iso
from atlasquery.skyportal.reads.names import (
    each_source,
    find_group_ids,
    find_instrument,
    source_path,
)
from atlasquery.skyportal.writes.changes import (
    Change,
    change_each,
    is_recent,
    read_fresh,
)

__all__ = ["upload_spectrum"]

TYPES = ("source", "host", "host_center")
# How the server calls the units that it knows.
PER_WAVELENGTH, PER_FREQUENCY, MAGNITUDES = "erg/s/cm/cm/AA", "Jy", "AB"

Groups = int | str | Sequence | None


def upload_spectrum(
    self: SkyPortalQuery,
    spectrum: Table,
    source_id: str | int,
    instrument: int | str,
    observed_at: Time | str | float,
    *,
    groups: Groups = None,
    kind: str = "source",
    label: str | None = None,
    origin: str | None = None,
    altdata: Mapping | None = None,
    dry_run: bool = False,
    on_error: str = "raise",
) -> Table:
    """Upload a spectrum to a source.

    The server takes the same spectrum twice, and has it twice then: look at
    ``get_spectra`` before.

    Parameters
    ----------
    spectrum : `~astropy.table.Table` or `~specutils.Spectrum`
        A table with ``wavelength`` and ``flux``, both with units, and ``flux_err`` where
        errors are known, such as one of ``get_spectra``; or a spectrum of specutils.
        Fluxes per wavelength are sent in erg/s/cm2/Angstrom, those per frequency
        in Jy, magnitudes as they are, in AB.
    source_id : str or int
        The source, which the server must have; see `save_source`.
    instrument : int or str
        The instrument by name or number.
    observed_at : `~astropy.time.Time`, str or float
        When it was observed; a bare number is an MJD in UTC.
    groups : int, str or sequence, optional
        Groups by name or number that see it, or ``"all"``. By default the server shows it
        to the account's own group only.
    kind : {"source", "host", "host_center"}, optional
        What it is of.
    label : str, optional
        Its name on the source's page; by default that of the instrument and the day.
    origin : str, optional
        Where it comes from.
    altdata : mapping, optional
        What else there is to say of it, by name.
    dry_run : bool, optional
        Whether to change nothing, and return what would be sent; names are
        looked up anyway.
    on_error : {"raise", "warn"}, optional
        What to do when it was not stored: raise an error that has the table as
        ``result``, or return the table with a warning.

    Returns
    -------
    `~astropy.table.Table`
        One row: ``source_id``, ``ok`` (masked where the response was lost and reading back did
        not tell), ``id`` (of the spectrum) and ``message``. With `dry_run` also
        ``method``, ``endpoint`` and ``payload``.

    Raises
    ------
    InvalidQueryError
        If it is no spectrum, has values that are not known, or units that the server
        does not know; nothing was sent.
    LoginError
        If there is no login.
    WriteError
        If it was not stored.

    References
    ----------
    The ``spectrum`` endpoint of the API of SkyPortal, https://skyportal.io/docs/api.html.

    Examples
    --------
    >>> from atlasquery import SkyPortal
    >>> spectrum = SkyPortal.get_spectra("ZTF24abcdefg")[0]
    >>> plan = SkyPortal.upload_spectrum(
    ...     spectrum, "ATLAS24abc", "ZTF", "2026-05-02T06:00", dry_run=True
    ... )
    >>> print(plan["method"][0], plan["endpoint"][0])
    POST spectrum
    """
    source = each_source([source_id])[0]
    values = _values_of(spectrum)
    number = int(find_instrument(self, instrument)["id"])
    texts = {"label": label, "origin": origin}
    payload = {
        "obj_id": source,
        "instrument_id": number,
        "observed_at": iso(observed_at, "observed_at"),
        "type": check_choice(kind, name="kind", known=TYPES),
        **{key: check_text(one, key) for key, one in texts.items() if one is not None},
        **values,
    }
    if altdata is not None:
        payload["altdata"] = as_json(altdata, "altdata")
    numbers = find_group_ids(self, groups, all_allowed=True)
    if numbers is not None:
        payload["group_ids"] = numbers
    change = Change(
        source,
        "POST",
        "spectrum",
        payload,
        done=_stored,
        look=lambda began: _look_for_spectrum(self, payload, began),
    )
    return change_each(self, [change], dry_run=dry_run, on_error=on_error, query="upload_spectrum")


def _look_for_spectrum(client: SkyPortalQuery, sent: dict, began: float) -> WriteOutcome:
    found = read_fresh(client, source_path(sent["obj_id"], "spectra"))
    found = found.get("spectra") if isinstance(found, dict) else found
    alike = [
        row
        for row in found or ()
        if is_recent(row, began)
        and row.get("instrument_id") == sent["instrument_id"]
        and row.get("wavelengths") == sent["wavelengths"]
        and row.get("fluxes") == sent["fluxes"]
    ]
    if not alike:
        return WriteOutcome(False, "it is not there")
    newest = max(alike, key=lambda row: row["id"])
    return WriteOutcome(True, f"it is there, uploaded {newest.get('created_at')}", newest["id"])


def _stored(data: Any) -> WriteOutcome:
    return WriteOutcome(True, "Stored.", int(data["id"]))


def _values_of(spectrum: object) -> dict:
    """Return what is sent of a spectrum: its values in units of the server's."""
    wavelength, flux, error = _columns_of(spectrum)
    if isinstance(flux, u.Magnitude):
        flux = flux.value * u.mag
    unit = flux.unit
    if unit == u.mag:
        units, target = MAGNITUDES, u.mag
    elif unit.is_equivalent(u.Jy):
        units, target = PER_FREQUENCY, u.Jy
    elif unit.is_equivalent(u.erg / u.s / u.cm**2 / u.AA):
        units, target = PER_WAVELENGTH, u.erg / u.s / u.cm**2 / u.AA
    else:
        raise InvalidQueryError(
            f"flux is in {unit.to_string() or 'no unit'}, and should be a flux per wavelength, per "
            "frequency, or an AB magnitude: the server knows no other"
        )
    waves = _numbers(wavelength, "wavelength", lambda one: one.to(u.AA, u.spectral()))
    sent = {
        "wavelengths": waves,
        "fluxes": _numbers(flux, "flux", lambda one: one.to(target)),
        "units": units,
    }
    if not waves or len(waves) != len(sent["fluxes"]):
        raise InvalidQueryError(
            f"spectrum has {len(waves)} wavelengths and {len(sent['fluxes'])} fluxes: it should "
            "have one of each for each of at least one row"
        )
    if error is not None:
        sent["errors"] = _numbers(error, "flux_err", lambda one: one.to(target))
    return sent


def _columns_of(spectrum: Any) -> tuple:
    """Return wavelengths, fluxes and errors as quantities; None for errors that are not known."""
    if isinstance(spectrum, Table):
        missing = {"wavelength", "flux"} - set(spectrum.colnames)
        if missing:
            name = min(missing)
            raise InvalidQueryError(
                f"spectrum has no column {name!r}{suggest(name, spectrum.colnames)}"
            )
        error = spectrum["flux_err"] if "flux_err" in spectrum.colnames else None
        if error is not None and np.all(getattr(error, "mask", False)):
            error = None
        given = (spectrum["wavelength"], spectrum["flux"], error)
        return tuple(None if one is None else _quantity(one) for one in given)
    if not {"spectral_axis", "flux"} <= set(dir(spectrum)):
        raise InvalidQueryError(
            f"spectrum={type(spectrum).__name__} should be a Table with wavelength and flux, or a "
            "Spectrum of specutils"
        )
    flux, deviation = u.Quantity(spectrum.flux), getattr(spectrum, "uncertainty", None)
    if deviation is not None:
        from astropy.nddata import StdDevUncertainty

        deviation = u.Quantity(deviation.represent_as(StdDevUncertainty).quantity)
    mask = getattr(spectrum, "mask", None)
    if mask is not None and np.any(mask):
        flux = np.where(mask, np.nan, flux.value) * flux.unit
    return u.Quantity(spectrum.spectral_axis), flux, deviation


def _quantity(column: object) -> u.Quantity:
    """Return a column with its unit; NaN where it is masked."""
    data, mask = get_data_and_mask(column)
    unit = getattr(column, "unit", None)
    values = np.asarray(getattr(data, "value", data))
    if values.dtype.kind not in "iuf" or values.ndim != 1:
        raise InvalidQueryError("spectrum should have one number in each row of its columns")
    values = np.where(False if mask is None else mask, np.nan, values.astype(float))
    if isinstance(unit, u.MagUnit):
        unit = u.mag
    return values * (unit or u.dimensionless_unscaled)


def _numbers(values: u.Quantity, name: str, convert: Callable) -> list[float]:
    try:
        plain = np.atleast_1d(convert(values).value)
    except u.UnitsError as error:
        raise InvalidQueryError(f"{name} cannot be sent: {error}") from error
    bad = np.flatnonzero(~np.isfinite(plain))
    if len(bad):
        raise InvalidQueryError(
            f"{name} is not known in {len(bad)} rows, the first of them row {bad[0]}: the server "
            "takes known values only. Leave these rows out"
        )
    return plain.tolist()
