"""Upload spectra: in the units that the server knows, and read back to the last digit."""

import astropy.units as u
import numpy as np
import pytest
from astropy.table import MaskedColumn, QTable, Table
from astropy.time import Time
from lost_answers import Losing

from atlasquery.exceptions import InvalidQueryError, NotFoundError, WriteError

A = "ATLAS24abc"
PER_WAVELENGTH = u.erg / u.s / u.cm**2 / u.AA
WHEN = Time("2026-05-02T06:00:00.250")


@pytest.fixture(autouse=True)
def _source(double):
    double.state.add_source(A, 150.1163, 2.2058)


def spectrum(unit=PER_WAVELENGTH, scale=1e-17, **extra):
    table = Table()
    table["wavelength"] = [4000.1, 5000.2, 6000.3] * u.AA
    table["flux"] = np.array([1.1, -2.2, 3.3]) * scale * unit
    for name, values in extra.items():
        table[name] = values
    return table


def test_what_is_uploaded_is_read_again(skyportal, double):
    given = spectrum(flux_err=np.array([0.1, 0.2, 0.3]) * 1e-17 * PER_WAVELENGTH)
    table = skyportal.upload_spectrum(
        given, A, "ZTF", WHEN, groups=3, label="first", origin="us", altdata={"slit": 1.5}
    )
    assert table["ok"].tolist() == [True] and table["id"].tolist() == [1]
    assert double.state.tables["spectra"][0]["group_ids"] == [3]
    (back,) = skyportal.get_spectra(A)
    assert back["wavelength"].tolist() == given["wavelength"].tolist()
    assert back["flux"].tolist() == given["flux"].tolist()
    assert back["flux_err"].tolist() == given["flux_err"].tolist()
    assert back["flux"].unit == PER_WAVELENGTH
    assert back.meta["observed_at"].isot == "2026-05-02T06:00:00.250"
    assert (back.meta["label"], back.meta["origin"]) == ("first", "us")
    # What was read can be uploaded again.
    assert skyportal.upload_spectrum(back, A, 2, WHEN)["ok"].all()


@pytest.mark.parametrize(
    ("unit", "scale", "sent", "units"),
    [
        (u.mJy, 1.0, 1.1e-3, "Jy"),
        (u.W / u.m**2 / u.um, 1e-13, 1.1e-14, "erg/s/cm/cm/AA"),
        (u.mag, 1.0, 1.1, "AB"),
        (u.ABmag, 1.0, 1.1, "AB"),
    ],
)
def test_units_of_fluxes(skyportal, double, unit, scale, sent, units):
    skyportal.upload_spectrum(QTable(spectrum(unit, scale)), A, 1, WHEN)
    stored = double.state.tables["spectra"][0]
    assert stored["units"] == units
    assert stored["fluxes"][0] == pytest.approx(sent, rel=1e-12)
    assert "errors" not in stored or stored["errors"] is None


def test_wavelengths_of_other_units(skyportal, double):
    given = spectrum()
    given["wavelength"] = [0.4, 0.5, 0.6] * u.um
    skyportal.upload_spectrum(given, A, 1, WHEN)
    assert double.state.tables["spectra"][0]["wavelengths"] == pytest.approx([4000, 5000, 6000])


def test_a_spectrum_of_specutils(skyportal, double):
    class Like:
        """What is read of one, without the package."""

        spectral_axis = [4000.0, 5000.0] * u.AA
        flux = [1.0, 2.0] * u.Jy
        uncertainty = None
        mask = None

    assert skyportal.upload_spectrum(Like(), A, 1, WHEN)["ok"].all()
    assert double.state.tables["spectra"][0]["fluxes"] == [1.0, 2.0]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (spectrum(u.K, 1.0), "flux is in K"),
        (spectrum(u.one, 1.0), "flux is in no unit"),
        (spectrum(scale=np.nan), "flux is not known in 3 rows, the first of them row 0"),
        (Table({"wavelength": [1.0], "flxu": [1.0]}), "no column 'flux'.*flxu"),
        (spectrum()[:0], "0 wavelengths"),
        (spectrum(wavelength=[1.0, 2.0, 3.0]), "wavelength cannot be sent"),
        (spectrum(wavelength=["a", "b", "c"]), "one number in each row"),
        (7, "spectrum=int"),
        (
            spectrum(flux_err=MaskedColumn([1, 1, 1], mask=[0, 1, 0], unit=PER_WAVELENGTH)),
            "flux_err is not known in 1 rows",
        ),
    ],
)
def test_what_cannot_be_sent_is_refused(skyportal, double, given, words):
    with pytest.raises(InvalidQueryError, match=words):
        skyportal.upload_spectrum(given, A, 1, WHEN)
    assert double.received == []


def test_arguments_that_are_wrong(skyportal, double):
    with pytest.raises(InvalidQueryError, match="kind='sky'"):
        skyportal.upload_spectrum(spectrum(), A, 1, WHEN, kind="sky")
    with pytest.raises(InvalidQueryError, match="observed_at="):
        skyportal.upload_spectrum(spectrum(), A, 1, "yesterday")
    with pytest.raises(NotFoundError, match="instrument 99"):
        skyportal.upload_spectrum(spectrum(), A, 99, WHEN)
    with pytest.raises(WriteError, match="foreign key"):
        skyportal.upload_spectrum(spectrum(), "NOPE", 1, WHEN)
    plan = skyportal.upload_spectrum(spectrum(), A, 1, WHEN, dry_run=True)
    assert plan["endpoint"].tolist() == ["spectrum"]
    assert len(double.asked("^POST")) == 1


def test_a_lost_answer_is_read_back_and_nothing_is_sent_twice(skyportal, double):
    Losing(double, "POST")
    table = skyportal.upload_spectrum(spectrum(), A, 1, WHEN)
    assert table["ok"].tolist() == [True] and table["id"].tolist() == [1]
    assert "read back: it is there" in table["message"][0]
    assert len(double.asked("^POST")) == 1
