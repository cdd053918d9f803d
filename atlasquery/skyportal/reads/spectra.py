"""The queries for spectra: a table for each, with the units that the server says."""

import warnings
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import astropy.units as u
import msgspec
import numpy as np
from astropy.table import Table

from atlasquery.exceptions import InputWarning, NoResultsWarning, TableParseError
from atlasquery.redaction import safe_text
from atlasquery.skyportal.base import SkyPortalQuery
from atlasquery.skyportal.payloads.values import check_source_id
from atlasquery.skyportal.reads.names import source_path
from atlasquery.skyportal.tables.columns import SPECTRUM
from atlasquery.skyportal.tables.decoders import decode_flat
from atlasquery.tables import Column, Rows, build_table, decode_rows, only_of
from atlasquery.warn import warn

if TYPE_CHECKING:
    from specutils import Spectrum

__all__ = ["Spectra", "get_spectra", "to_spectrum"]

LISTS = {"pis": "username", "observers": "username", "reducers": "username", "groups": "name"}
# What the server says, and what it means.
UNITS = {
    "Jy": u.Jy,
    "AB": u.mag,
    "erg/s/cm/cm/AA": u.erg / u.s / u.cm**2 / u.AA,
}
UNKNOWN_UNIT = "in a unit that the server does not say"


class Spectra(Sequence):
    """The spectra of a source, each a `~astropy.table.Table`.

    Parameters
    ----------
    tables : list of `~astropy.table.Table`
        One for each spectrum.
    summary : `~astropy.table.Table`
        A row for each: ``spectrum_id``, ``observed_at``, ``instrument`` and more.

    Attributes
    ----------
    summary : `~astropy.table.Table`
        The same.
    """

    def __init__(self, tables: list[Table], summary: Table):
        self._tables = list(tables)
        self.summary = summary

    def __len__(self) -> int:
        return len(self._tables)

    def __iter__(self) -> Iterator[Table]:
        return iter(self._tables)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return type(self)(self._tables[index], self.summary[index])
        return self._tables[index]

    def __repr__(self) -> str:
        return safe_text(f"<Spectra: {len(self)}>\n{self._short()}")

    def _repr_html_(self) -> str:
        return self._short()._repr_html_()

    def _short(self) -> Table:
        """Return the summary, of the width of a screen."""
        return self.summary["spectrum_id", "observed_at", "instrument", "type", "units"]


def get_spectra(
    self: SkyPortalQuery,
    source_id: str | int,
    *,
    cache: bool | None = None,
    get_query_payload: bool = False,
) -> Spectra:
    """Fetch the spectra of a source.

    Parameters
    ----------
    source_id : str or int
        Its name on this instance.
    cache : bool, optional
        Whether a cached response is used, for ``conf.object_seconds``.
    get_query_payload : bool, optional
        Whether to return what would be sent, and send nothing.

    Returns
    -------
    Spectra
        A sequence of tables in order of time, with an overview in ``.summary``. Each
        table has ``wavelength`` (Angstrom), ``flux`` and ``flux_err`` in the unit
        that the server says: Jy, erg/s/cm2/Angstrom, or mag for ``"AB"``. Where
        it says none they have none, which a warning tells. What is not known is
        masked. ``meta`` has ``spectrum_id``, ``observed_at``
        (`~astropy.time.Time`), ``instrument``, ``units`` (the server's word) and more.

    Raises
    ------
    NotFoundError
        If there is no such source, or none that this account may see.

    Warns
    -----
    InputWarning
        If the unit of fluxes is not said, or not known.
    NoResultsWarning
        If there is none.

    See Also
    --------
    to_spectrum : For what specutils reads.

    References
    ----------
    The route ``GET /api/sources/{id}/spectra``.

    Examples
    --------
    >>> from atlasquery import SkyPortal
    >>> spectra = SkyPortal.get_spectra("ZTF24abcdefg")
    >>> spectra.summary["instrument"].tolist(), spectra[0].colnames
    (['ZTF'], ['wavelength', 'flux', 'flux_err'])
    >>> spectra[0]["flux"].unit
    Unit("erg / (Angstrom s cm2)")
    """
    name = check_source_id(source_id)
    path = source_path(name, "spectra")
    if get_query_payload:
        return self._query_payload(path)
    (rows, values), when = self._fetch(
        path,
        decode=only_of(decode_spectra, "source_id", name, "the source"),
        cache=cache,
        unknown=f"source {name}",
    )
    meta = self._meta(when, query="get_spectra", object=name)
    summary = build_table(rows, meta=meta)
    if not len(summary):
        warn(f"SkyPortal has no spectra of {name}", NoResultsWarning)
    tables, unsaid = [], []
    for n, arrays in enumerate(values):
        word = "" if rows.masks["units"][n] else str(rows.values["units"][n])
        unit = read_unit(word)
        if unit is None:
            unsaid.append(f"{rows.values['spectrum_id'][n]}" + (f" ({word})" if word else ""))
        tables.append(spectrum_table(arrays, unit, {**meta, **_values_of_row(summary, n)}))
    if unsaid:
        warn(
            f"The unit of the fluxes of {name} is not said or not known in these spectra, "
            f"which have none: {', '.join(unsaid)}",
            InputWarning,
        )
    return Spectra(tables, summary)


def to_spectrum(table: Table) -> "Spectrum":
    """Return a spectrum in the form of specutils.

    Parameters
    ----------
    table : `~astropy.table.Table`
        One of those of ``get_spectra``.

    Returns
    -------
    `~specutils.Spectrum`
        By increasing wavelength, with the errors as standard deviations where they are
        known, and a mask where the flux is not. Magnitudes become Jy.

    Raises
    ------
    ImportError
        If specutils is not installed, which ``atlasquery[spectra]`` brings.

    Examples
    --------
    >>> from atlasquery import SkyPortal
    >>> from atlasquery.skyportal import to_spectrum
    >>> spectra = SkyPortal.get_spectra("ZTF24abcdefg")
    >>> to_spectrum(spectra[0]).flux.unit  # doctest: +SKIP
    Unit("erg / (Angstrom s cm2)")
    """
    try:
        from specutils import Spectrum
    except ImportError as error:
        raise ImportError(
            "specutils is not installed, which pip install 'atlasquery[spectra]' brings"
        ) from error
    from astropy.nddata import StdDevUncertainty

    ordered = table[np.argsort(table["wavelength"], kind="stable")]
    unit = ordered["flux"].unit or u.dimensionless_unscaled
    # Without their units, which a filled column still has.
    flux, deviation = (
        np.asarray(np.ma.filled(ordered[name], np.nan), dtype=float)
        for name in ("flux", "flux_err")
    )
    if table.meta.get("magsys") == "AB":
        # The form of a flux is linear: the errors are those of small ones.
        flux = (flux * u.ABmag).to_value(u.Jy)
        deviation = flux * deviation * np.log(10) / 2.5
        unit = u.Jy
    return Spectrum(
        flux=flux * unit,
        spectral_axis=np.asarray(ordered["wavelength"], dtype=float) * u.AA,
        uncertainty=StdDevUncertainty(deviation * unit) if np.isfinite(deviation).any() else None,
        mask=~np.isfinite(flux),
        meta=dict(table.meta),
    )


def read_unit(word: str) -> u.UnitBase | None:
    """Return the unit of fluxes.

    Parameters
    ----------
    word : str
        What the server says; empty where it says nothing.

    Returns
    -------
    `~astropy.units.UnitBase` or None
        None where it is not known.
    """
    if word in UNITS:
        return UNITS[word]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", u.UnitsWarning)
        try:
            return u.Unit(word) if word else None
        except ValueError:
            return None


def decode_spectra(text: bytes) -> tuple[Rows, list[tuple]]:
    """Decode the spectra of a source.

    Parameters
    ----------
    text : bytes
        An object with the list ``spectra``, or that list.

    Returns
    -------
    rows : Rows
        Metadata of each, in order of time.
    values : list of tuple of `~numpy.ndarray`
        Wavelengths, fluxes and errors of each; NaN where there is none.

    Raises
    ------
    TableParseError
        If their lengths differ.
    """
    if text.lstrip().startswith(b"{"):
        text = bytes(msgspec.json.decode(text, type=dict[str, msgspec.Raw]).get("spectra", b"[]"))
    sent = decode_rows(SPECTRUM, text)
    rows = decode_flat(SPECTRUM, text, LISTS)
    order = np.lexsort((rows.values["spectrum_id"], rows.values["observed_at"]))
    values = []
    for n in order.tolist():
        wavelengths, fluxes, errors = (
            _numbers(sent.values[f"whole_{wire}"][n], wire)
            for wire in ("wavelengths", "fluxes", "errors")
        )
        if errors is None:
            # They may be null: see docs/servers/skyportal.rst, "Spectra".
            errors = np.full(len(fluxes) if fluxes is not None else 0, np.nan)
        if wavelengths is None or fluxes is None or len({len(wavelengths), len(fluxes)}) > 1:
            spectrum_id = rows.values["spectrum_id"][n]
            raise TableParseError(f"spectrum {spectrum_id} has no flux for each of its wavelengths")
        if len(errors) != len(fluxes):
            spectrum_id = rows.values["spectrum_id"][n]
            raise TableParseError(
                f"spectrum {spectrum_id} has {len(errors)} errors for {len(fluxes)} fluxes"
            )
        values.append((wavelengths, fluxes, errors))
    return rows.take(order), values


def _numbers(raw: Any, wire: str) -> np.ndarray | None:
    try:
        found = msgspec.json.decode(raw, type=list[float | None] | None)
    except msgspec.ValidationError as error:
        raise TableParseError(f"a spectrum has {wire} that are no numbers: {error}") from error
    return None if found is None else np.array(found, dtype=float)


def spectrum_table(arrays: tuple, unit: u.UnitBase | None, meta: dict) -> Table:
    """Return the table of one spectrum.

    Parameters
    ----------
    arrays : tuple of `~numpy.ndarray`
        Wavelengths, fluxes and errors; NaN where there is none.
    unit : `~astropy.units.UnitBase` or None
        The unit of fluxes and errors.
    meta : dict
        Metadata of it.

    Returns
    -------
    `~astropy.table.Table`
        ``wavelength``, ``flux`` and ``flux_err``.
    """
    note = "" if unit is not None else f", {UNKNOWN_UNIT}"
    kind = "AB magnitude" if meta["units"] == "AB" else "Flux density"
    columns = (
        Column("wavelength", unit=u.AA, about="Wavelength.", required=True),
        Column("flux", unit=unit, about=f"{kind}{note}."),
        Column("flux_err", unit=unit, about=f"Error of flux{note}."),
    )
    rows = Rows(length=len(arrays[0]))
    for column, values in zip(columns, arrays, strict=True):
        rows.add(column, values, np.isnan(values))
    if meta["units"] == "AB":
        meta["magsys"] = "AB"
    return build_table(rows, meta=meta)


def _values_of_row(summary: Table, row: int) -> dict:
    """Return what is known of one spectrum, in values of Python."""
    values = {}
    for name in summary.colnames:
        value = summary[name][row]
        if np.any(getattr(value, "mask", False)) or value is np.ma.masked:
            value = None
        elif isinstance(value, np.generic):
            value = value.item()
        values[name] = value
    return values
