"""Magnitudes and fluxes in the units of astropy's users, logarithmic ones among them."""

import astropy.units as u
import numpy as np
import pytest
from astropy.table import Column, QTable, Table
from astropy.timeseries import TimeSeries
from example_curves import light_curve

from atlasquery.exceptions import InvalidQueryError
from atlasquery.lightcurve import (
    bin,
    clean,
    colour,
    flux_to_mag,
    limits,
    mag_to_flux,
    peak,
    plot,
    signal_to_noise,
    sparkline,
    subtract_baseline,
    summary,
    to_flux,
    to_lightkurve,
    to_mag,
    to_pandas,
    to_sncosmo,
)
from atlasquery.skyportal.uploads.rows import prepare_rows

FUNCTIONS = {
    "bin": bin,
    "clean": lambda lc: clean(lc, "skyportal", reduced_chi2_max=None),
    "limits": limits,
    "peak": peak,
    "signal_to_noise": signal_to_noise,
    "subtract_baseline": lambda lc: subtract_baseline(lc, at_least=3),
    "summary": summary,
    "to_mag": to_mag,
    "to_flux": to_flux,
    "colour": lambda lc: colour(lc, ("o", "c")),
    "plot": plot,
    "to_sncosmo": lambda lc: to_sncosmo(TimeSeries(lc)),
    "sparkline": sparkline,
    "prepare_rows": lambda lc: prepare_rows(lc, instrument="ATLAS", filters=["atlaso", "atlasc"]),
}


def base():
    n = np.arange(8)
    return light_curve(59000 + n / 4, 100.0 + 20 * n, 5.0, band=np.where(n % 2, "o", "c"))


def in_unit(lc, unit, *names, of=Table):
    """Replace columns by others in a unit, as a user who converts them does."""
    table = of(lc, copy=True)
    for name in names:
        values = np.asarray(lc[name].unmasked.value)
        offset = 0.0 if name.endswith("_err") else u.ABmag.to(unit, 0.0)
        table[name] = (
            (values + offset) * unit if of is not Table else Column(values + offset, unit=unit)
        )
    return table


@pytest.mark.parametrize("unit", [u.ABmag, u.mag(u.Jy), u.mag(u.nJy)], ids=str)
@pytest.mark.parametrize("of", [Table, QTable, TimeSeries])
def test_magnitudes_of_astropy_are_magnitudes(unit, of):
    lc = base()
    given = in_unit(lc, unit, "mag", "mag_err", "limiting_mag", of=of)
    without = ["flux", "flux_err"]
    plain, other = QTable(lc), QTable(given) if of is not Table else Table(given)
    plain.remove_columns(without)
    other.remove_columns(without)
    for name in without:
        assert np.allclose(np.asarray(to_flux(other)[name]), np.asarray(to_flux(plain)[name]))
    row, expected = summary(given)[0], summary(lc)[0]
    for name in ("peak_mag", "last_limit", "first_mag", "colour"):
        assert u.isclose(row[name], expected[name]) or row[name].mask
    assert np.allclose(limits(given, 3)["limiting_mag"].value, limits(lc, 3)["limiting_mag"].value)
    assert (
        clean(given, "skyportal", reduced_chi2_max=None)["flag"].tolist()
        == clean(lc, "skyportal", reduced_chi2_max=None)["flag"].tolist()
    )
    for name in FUNCTIONS:
        FUNCTIONS[name](given)


@pytest.mark.parametrize("unit", [u.ABmag, u.dex(u.Jy), u.mag], ids=str)
@pytest.mark.parametrize("name", ["flux", "flux_err"])
@pytest.mark.parametrize(
    "function", sorted(set(FUNCTIONS) - {"limits", "peak", "summary", "sparkline"})
)
def test_a_logarithmic_flux_is_never_linear(unit, name, function):
    lc = Table(base())
    lc[name] = Column(np.linspace(17, 18, 8), unit=unit)
    with pytest.raises(InvalidQueryError, match=f"the column {name} of .* should be in uJy"):
        FUNCTIONS[function](lc)


@pytest.mark.parametrize("unit", [u.STmag, u.dex(u.Jy), u.dex, u.dB, u.M_bol], ids=str)
def test_what_is_no_magnitude(unit):
    lc = Table(base())
    lc["mag"] = Column(np.linspace(17, 18, 8), unit=unit)
    with pytest.raises(InvalidQueryError, match=r"the column mag of lc is in .*; it should be in"):
        to_flux(lc)


def test_factors_of_linear_units():
    lc = Table(base())
    for name in ("flux", "flux_err"):
        lc[name] = lc[name].to(u.mJy)
    lc["mag_err"] = lc["mag_err"].to(u.Unit("mmag"))
    assert np.allclose(bin(lc)["flux"].value, bin(base())["flux"].value)
    assert np.allclose(
        np.asarray(colour(lc, ("o", "c"))["colour_err"]),
        np.asarray(colour(base(), ("o", "c"))["colour_err"]),
    )


def test_thresholds_and_numbers_in_magnitudes_of_astropy():
    lc = base()
    flags = [
        clean(lc, "skyportal", reduced_chi2_max=None, limiting_mag_min=limit)["flag"].tolist()
        for limit in (20.5, 20.5 * u.mag, 20.5 * u.ABmag, "20.5 mag", (20.5 - 8.9) * u.mag(u.Jy))
    ]
    assert all(flag == flags[0] for flag in flags) and flags[0][0] != 0
    assert np.allclose(mag_to_flux([18.9, 23.9] * u.ABmag), [100, 1])
    assert np.allclose(mag_to_flux([18.9, 23.9] * u.mag), [100, 1])
    assert np.allclose(flux_to_mag([0.1, 0.001] * u.mJy), [18.9, 23.9])


def test_exports_keep_them():
    given = in_unit(base(), u.ABmag, "mag", "mag_err", of=TimeSeries)
    frame = to_pandas(given)
    assert frame.attrs["units"]["mag"] == "mag(AB)"
    pytest.importorskip("lightkurve")
    assert len(to_lightkurve(given, band="o")) == 4
