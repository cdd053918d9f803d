"""Spectra: tables with the server's units, and the form of specutils."""

import io
import json
import sys

import astropy.units as u
import numpy as np
import pytest
from astropy.table import Table
from astropy.time import Time

from atlasquery.exceptions import (
    InputWarning,
    InvalidQueryError,
    NoResultsWarning,
    NotFoundError,
    TableParseError,
)
from atlasquery.sandbox.http import Response
from atlasquery.sandbox.skyportal.server import ADMIN
from atlasquery.sandbox.skyportal.tables import add_spectrum
from atlasquery.skyportal import Spectra, to_spectrum

CGS = u.erg / u.s / u.cm**2 / u.AA


@pytest.fixture
def sky(double):
    double.state.add_source("ATLAS24abc", 150.0, 2.0)
    return double.state


def test_a_recorded_spectrum(skyportal, double, samples):
    body = samples("spectra_get_obj")["body"]
    double.faults = {"spectra": Response(200, body)}
    spectra = skyportal.get_spectra("ATLAS24abc")
    sent = body["data"]["spectra"][0]
    assert isinstance(spectra, Spectra)
    assert len(spectra) == 1
    table = spectra[0]
    assert isinstance(table, Table)
    assert table["wavelength"].tolist() == sent["wavelengths"]
    assert table["flux"].tolist() == sent["fluxes"]
    assert table["flux_err"].tolist() == sent["errors"]
    assert table["wavelength"].unit == u.AA
    assert table["flux"].unit == table["flux_err"].unit == CGS
    assert table.meta["observed_at"].isot == "2024-01-20T10:11:12.000"
    assert table.meta["observed_at"].scale == "utc"
    assert table.meta["spectrum_id"] == 1
    assert type(table.meta["spectrum_id"]) is int
    assert table.meta["instrument"] == "LRIS"
    assert table.meta["telescope"] == "Keck I"
    assert table.meta["external_pi"] == "Someone"
    assert table.meta["external_reducer"] is None
    assert table.meta["groups"] == "provisioned-admin, ATLAS transients"
    summary = spectra.summary
    assert isinstance(summary["observed_at"], Time)
    assert summary["spectrum_id"].dtype == np.int64
    assert "wavelengths" not in summary.colnames
    assert "LRIS" in repr(spectra)
    assert "<table" in spectra._repr_html_()


def test_the_double_has_the_keys_of_the_recorded_server(double, sky, samples):
    add_spectrum(sky, "ATLAS24abc")
    token = {"Authorization": f"token {ADMIN}"}
    answer = double.answer("GET", "/api/sources/ATLAS24abc/spectra", token, b"")
    ours = json.loads(answer.content)["data"]
    theirs = samples("spectra_get_obj")["body"]["data"]
    assert set(ours) == set(theirs)
    assert set(ours["spectra"][0]) == set(theirs["spectra"][0])


def test_units_as_the_server_says(skyportal, sky):
    add_spectrum(sky, "ATLAS24abc", units="Jy", errors=[0.1, 0.1, None])
    add_spectrum(sky, "ATLAS24abc", units="AB", fluxes=[17.0, None, 18.0])
    add_spectrum(sky, "ATLAS24abc", units="erg/s/cm/cm/AA")
    add_spectrum(sky, "ATLAS24abc", units="mJy")
    tables = list(skyportal.get_spectra("ATLAS24abc"))
    assert [table["flux"].unit for table in tables] == [u.Jy, u.mag, CGS, u.mJy]
    assert tables[0]["flux_err"].mask.tolist() == [False, False, True]
    assert np.isnan(tables[0]["flux_err"].data.data[2])
    assert tables[1]["flux"].mask.tolist() == [False, True, False]
    assert tables[1].meta["magsys"] == "AB"
    assert "magsys" not in tables[0].meta
    # No errors: masked, in the unit of the flux.
    assert tables[2]["flux_err"].mask.all()
    assert tables[2]["flux_err"].unit == CGS


def test_a_unit_that_is_not_said(skyportal, sky):
    add_spectrum(sky, "ATLAS24abc", units=None)
    add_spectrum(sky, "ATLAS24abc", units="counts per fortnight, sort of")
    add_spectrum(sky, "ATLAS24abc", units="Jy")
    with pytest.warns(InputWarning, match=r"have none: 1, 2 \(counts per fortnight") as caught:
        spectra = skyportal.get_spectra("ATLAS24abc")
    assert caught[0].filename == __file__
    assert [table["flux"].unit for table in spectra] == [None, None, u.Jy]
    assert "does not say" in spectra[0]["flux"].description
    assert spectra[0].meta["units"] is None
    assert spectra[1].meta["units"] == "counts per fortnight, sort of"


def test_spectra_in_order_of_time_and_parts_of_them(skyportal, sky):
    for day in ("2024-03-01T00:00:00", "2024-01-01T00:00:00", "2024-02-01T00:00:00"):
        add_spectrum(sky, "ATLAS24abc", day, units="Jy")
    spectra = skyportal.get_spectra("ATLAS24abc")
    assert [table.meta["spectrum_id"] for table in spectra] == [2, 3, 1]
    assert spectra.summary["spectrum_id"].tolist() == [2, 3, 1]
    assert [table.meta["spectrum_id"] for table in spectra[1:]] == [3, 1]
    assert spectra[1:].summary["spectrum_id"].tolist() == [3, 1]


def test_a_table_survives_a_file(skyportal, sky):
    add_spectrum(sky, "ATLAS24abc", units="Jy", altdata={"seeing": 1.2})
    table = skyportal.get_spectra("ATLAS24abc")[0]
    text = io.StringIO()
    table.write(text, format="ascii.ecsv")
    again = Table.read(text.getvalue(), format="ascii.ecsv")
    assert again["flux"].unit == u.Jy
    assert again.meta["observed_at"] == table.meta["observed_at"]
    assert again.meta["altdata"] == table.meta["altdata"] == '{"seeing": 1.2}'


def test_a_newer_and_an_older_server(skyportal, sky):
    row = add_spectrum(sky, "ATLAS24abc", units="Jy", a_new_key=[1, 2])
    row["observed_at"] = None
    spectra = skyportal.get_spectra("ATLAS24abc")
    assert spectra.summary["a_new_key"][0] == "[1,2]"
    assert spectra[0].meta["observed_at"] is None
    assert spectra.summary["observed_at"].mask.all()


def test_spectra_that_are_not_there(skyportal, double, sky, samples):
    with pytest.warns(NoResultsWarning, match="no spectra of ATLAS24abc"):
        spectra = skyportal.get_spectra("ATLAS24abc")
    assert len(spectra) == 0
    assert "flux" not in spectra.summary.colnames
    assert spectra.summary["spectrum_id"].dtype == np.int64
    with pytest.raises(NotFoundError, match="source NOPE"):
        skyportal.get_spectra("NOPE")
    exchange = samples("spectra_get_noobj")
    double.faults = {"spectra": Response(exchange["status_code"], exchange["body"])}
    with pytest.raises(NotFoundError, match="Invalid object ID"):
        skyportal.get_spectra("OTHER")
    asked = len(double.received)
    with pytest.raises(InvalidQueryError, match="source_id"):
        skyportal.get_spectra("a b")
    assert len(double.received) == asked


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ({"fluxes": [1.0]}, "no flux for each"),
        ({"fluxes": None}, "no flux for each"),
        ({"errors": [1.0]}, "1 errors for 3 fluxes"),
        ({"wavelengths": ["a"]}, "no numbers"),
    ],
)
def test_damaged_spectra_are_refused(skyportal, sky, damage, words):
    add_spectrum(sky, "ATLAS24abc", units="Jy", **damage)
    with pytest.raises(TableParseError, match=words):
        skyportal.get_spectra("ATLAS24abc")


def test_a_spectrum_of_specutils(skyportal, sky):
    pytest.importorskip("specutils")
    add_spectrum(
        sky, "ATLAS24abc", units="erg/s/cm/cm/AA", wavelengths=[6000.0, 4000.0, 5000.0],
        fluxes=[3e-17, 1e-17, None], errors=[3e-18, 1e-18, 2e-18],
    )  # fmt: skip
    add_spectrum(sky, "ATLAS24abc", units="AB", fluxes=[8.9] * 3, errors=[0.1] * 3)
    tables = skyportal.get_spectra("ATLAS24abc")
    spectrum = to_spectrum(tables[0])
    assert spectrum.spectral_axis.to_value(u.AA).tolist() == [4000, 5000, 6000]
    assert spectrum.flux.unit == CGS
    assert spectrum.flux.value[[0, 2]].tolist() == [1e-17, 3e-17]
    assert spectrum.mask.tolist() == [False, True, False]
    assert spectrum.uncertainty.array.tolist() == [1e-18, 2e-18, 3e-18]
    assert spectrum.meta["source_id"] == "ATLAS24abc"
    of_magnitudes = to_spectrum(tables[1])
    assert of_magnitudes.flux.unit == u.Jy
    assert of_magnitudes.flux.value == pytest.approx([1.0] * 3, rel=1e-3)
    ratio = of_magnitudes.uncertainty.array / of_magnitudes.flux.value
    assert ratio == pytest.approx([0.0921] * 3, rel=1e-3)


def test_without_specutils_it_says_what_to_install(skyportal, sky, monkeypatch):
    monkeypatch.setitem(sys.modules, "specutils", None)
    add_spectrum(sky, "ATLAS24abc", units="Jy")
    with pytest.raises(ImportError, match=r"atlasquery\[spectra\]"):
        to_spectrum(skyportal.get_spectra("ATLAS24abc")[0])
