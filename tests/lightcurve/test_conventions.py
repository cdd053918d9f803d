"""What times, fluxes and magnitudes mean, as values, in new light curves and in old files."""

from pathlib import Path

import astropy.units as u
import numpy as np
import pytest
from astropy.io import fits
from example_curves import light_curve

from atlasquery.exceptions import InvalidQueryError
from atlasquery.lightcurve import bin, read, subtract_baseline, to_flux, to_sncosmo
from atlasquery.lightcurve.plot import time_label, value_label
from atlasquery.lightcurve.plot_data import plot_data
from atlasquery.lightcurve.schema import CONVENTIONS, Conventions
from atlasquery.tables import write_table
from atlasquery.tables.coordinate_systems import reference_position

# Files that the version of November 2026 wrote, with prose for the time reference.
OLD = Path(__file__).parent / "old_files"
START = Conventions("start", "difference", note="start of exposure")


@pytest.mark.parametrize(
    ("prose", "reference", "averaged", "position"),
    [
        ("start of exposure", "start", None, "topocenter"),
        ("middle of exposure", "middle", None, "topocenter"),
        ("middle of the exposure", "middle", None, "topocenter"),
        ("mean start of exposure of the bin", "mean", "start", "topocenter"),
        ("mean middle of exposure of the bin", "mean", "middle", "topocenter"),
        ("as uploaded", "unknown", None, "unknown"),
        ("mean as uploaded of the bin", "mean", "unknown", "unknown"),
        ("at the Sun; moment of the exposure not stated", "unknown", None, "heliocenter"),
        ("at the observatory, UTC assumed", "unknown", None, "topocenter"),
        ("neither start nor middle", "unknown", None, "unknown"),
    ],
)
def test_prose_of_earlier_versions_is_understood(prose, reference, averaged, position):
    conventions = Conventions.of({"time_reference": prose})
    assert (conventions.time_reference, conventions.averaged) == (reference, averaged)
    assert (conventions.position, conventions.note) == (position, prose)
    # What is written now is read as the same.
    assert Conventions.of(conventions.meta()) == conventions
    assert set(conventions.meta()) <= set(CONVENTIONS)


@pytest.mark.parametrize("reference", ["start", "middle", "mean", "unknown"])
@pytest.mark.parametrize("kind", ["difference", "total", "unknown"])
@pytest.mark.parametrize("system", ["AB", "Vega", "unknown"])
def test_values_are_read_as_they_are_written(reference, kind, system):
    conventions = Conventions(reference, kind, magsys=system, position="barycenter")
    found = Conventions.of(conventions.meta())
    assert (found.time_reference, found.flux_kind, found.magsys) == (reference, kind, system)
    assert found.position == reference_position(conventions.meta()) == "barycenter"


def test_what_is_not_in_meta_is_unknown():
    lc = light_curve([60000.0], [100.0], meta={"time_reference": "some day", "flux_kind": "light"})
    assert lc.meta["time_reference"] == lc.meta["flux_kind"] == "unknown"
    assert lc.meta["time_reference_note"] == "some day"
    assert light_curve([60000.0], [100.0], meta={}).meta["time_reference"] == "unknown"


def old(name):
    if name.endswith(".parquet"):
        pytest.importorskip("pyarrow")
    return read(OLD / name)


@pytest.mark.parametrize("ending", ["ecsv", "fits", "vot", "parquet", "csv"])
def test_old_files_of_each_format(ending):
    lc = old(f"start.{ending}")
    assert Conventions.of(lc.meta) == START
    assert lc.meta["time_reference"] == "start" and lc.meta["flux_kind"] == "difference"
    assert lc.meta["time_reference_position"] == "topocenter"
    assert lc.meta["atlas_id"] == 1234567890123456789
    assert len(lc) == 3 and np.isnan(lc["flux"].unmasked[1])


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("middle.fits", ("AB", "difference", "middle", "topocenter", None)),
        ("bins.ecsv", ("AB", "difference", "mean", "topocenter", "start")),
        ("uploaded.ecsv", ("AB", "unknown", "unknown", "unknown", None)),
        ("reduced.ecsv", ("AB", "total", "start", "topocenter", None)),
        ("barycentre.ecsv", ("unknown", "total", "unknown", "barycenter", None)),
    ],
)
def test_old_files_of_each_service(name, values):
    lc = old(name)
    keys = [key for key in CONVENTIONS if key != "time_reference_note"]
    assert tuple(lc.meta.get(key) for key in keys) == values


def test_bins_say_what_they_are_means_of():
    lc = light_curve([60000.25, 60000.26, 60001.25], [100.0, 110.0, 120.0])
    binned = bin(lc, 1 * u.day)
    assert binned.meta["time_reference"] == "mean"
    assert binned.meta["averaged_time_reference"] == "start"
    assert binned.meta["time_reference_note"] == "mean start of exposure of the bin"
    again = bin(binned, 2 * u.day)
    assert Conventions.of(again.meta) == Conventions.of(binned.meta)


def test_bins_at_the_barycentre():
    note = "middle of exposure, at the barycentre"
    binned = Conventions.of({"time_reference": "middle", "time_reference_note": note}).binned()
    assert binned.note == "mean middle of exposure of the bin, at the barycentre"


@pytest.mark.parametrize(
    ("reference", "averaged", "shift"),
    [
        ("start", None, 15.0),
        ("middle", None, 0.0),
        ("unknown", None, 15.0),
        ("mean", "start", 15.0),
        ("mean", "middle", 0.0),
        ("mean", None, 0.0),
    ],
)
def test_sncosmo_gets_the_middle(reference, averaged, shift):
    meta = Conventions(reference, "difference", averaged=averaged).meta()
    data = to_sncosmo(light_curve([58000.0], [100.0], meta=meta))
    assert data["time"][0] == pytest.approx(58000.0 + shift / 86400, rel=0, abs=1e-9)
    expected = "middle" if reference == "start" else reference
    assert data.meta["time_reference"] == expected


def test_labels_follow_the_values():
    def labels(conventions):
        lc = light_curve([58000.0], [100.0], meta=conventions.meta())
        shown = plot_data(lc, None, y="flux", limits=True, snr=3.0, flagged=True)
        return value_label(lc, "mag"), value_label(lc, "flux"), time_label(lc, shown)

    assert labels(Conventions("middle", "total", magsys="Vega")) == (
        "Vega magnitude (mag)",
        "Flux (µJy)",
        "Time (MJD, UTC; middle of exposure)",
    )
    assert labels(Conventions("unknown", "difference", note="as uploaded")) == (
        "AB magnitude (mag)",
        "Difference flux (µJy)",
        "Time (MJD, UTC; as uploaded)",
    )
    assert labels(Conventions("unknown", "unknown", magsys="unknown")) == (
        "Magnitude (mag)",
        "Flux (µJy)",
        "Time (MJD, UTC; as the survey gives it)",
    )


def test_a_total_flux_less_its_baseline_is_a_difference():
    total = Conventions("start", "total").meta()
    lc = light_curve(58000.0 + np.arange(30), 100.0, meta=total)
    assert lc.columns["flux"].info.description == "Flux of the object, not of a difference."
    flat = subtract_baseline(lc, at_least=5)
    assert flat.meta["flux_kind"] == "difference"
    assert flat.columns["flux"].info.description == "Signed difference flux."
    assert lc.meta["flux_kind"] == bin(lc).meta["flux_kind"] == "total"
    assert bin(lc).columns["flux"].info.description == "Flux of the object, not of a difference."


def test_fluxes_are_made_of_ab_magnitudes_in_any_spelling():
    lc = light_curve([58000.0], [100.0], meta={"magsys": "ab"})
    assert to_flux(lc)["flux"][0].unmasked == lc["flux"][0].unmasked
    lc.meta["magsys"] = "Vega"
    with pytest.raises(InvalidQueryError, match="is 'Vega'"):
        to_flux(lc)


def test_the_reference_position_is_a_keyword_of_fits(tmp_path):
    for position, keyword in (("barycenter", "BARYCENTER"), ("unknown", None)):
        lc = light_curve([58000.0], [1.0], scale="tdb")
        lc.meta |= Conventions("unknown", "total", position=position, note="start").meta()
        header = fits.getheader(write_table(lc, tmp_path / f"{position}.fits"), 1)
        assert header.get("TRPOS1") == keyword
