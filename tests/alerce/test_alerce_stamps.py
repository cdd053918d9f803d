"""Stamps and alert packets."""

import gzip
import warnings

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS
from overlap import overlapping

from atlasquery.alerce import conf
from atlasquery.alerce.stamps import _decode_images
from atlasquery.exceptions import (
    InvalidQueryError,
    NotFoundError,
    RemoteServiceError,
    TableParseError,
)
from atlasquery.sandbox.alerce import edge_cases
from atlasquery.sandbox.alerce.stamps import stamp_fits, stamp_image
from atlasquery.sandbox.http import Response

OID = edge_cases.name(2)
CANDID = int(edge_cases.detections(2)[0]["candid"])
LSST = edge_cases.FIRST_LSST + 5


def test_stamps_are_a_fits_file_of_three_images(alerce, tmp_path):
    stamps = alerce.get_stamps(OID)
    assert [hdu.name for hdu in stamps] == ["SCIENCE", "TEMPLATE", "DIFFERENCE"]
    for hdu, kind in zip(stamps, ("science", "template", "difference"), strict=True):
        np.testing.assert_array_equal(hdu.data, stamp_image(kind, CANDID % 1000))
        assert hdu.header["BUNIT"] == "DN"
        assert hdu.header["CANDID"] == str(CANDID) and hdu.header["OBJECT"] == OID
    stamps.verify("exception")
    stamps.writeto(tmp_path / "stamps.fits")


def test_what_warnings_are_shown_is_as_before(alerce, monkeypatch):
    before = list(warnings.filters)
    with conf.set_temp("concurrency", 2), monkeypatch.context() as patch:
        patch.setattr(fits, "open", overlapping(fits.open))
        alerce.get_stamps(OID, CANDID)
    assert warnings.filters == before


def test_stamps_of_an_alert(alerce):
    later = edge_cases.detections(2)[2]["candid"]
    assert alerce.get_stamps(OID, later)["SCIENCE"].header["CANDID"] == later
    with pytest.raises(NotFoundError, match="alert 12 of"):
        alerce.get_stamps(OID, 12)
    with pytest.raises(InvalidQueryError, match="float loses digits"):
        alerce.get_stamps(OID, 1.2e18)
    with pytest.raises(NotFoundError, match="no stamps"):
        alerce.get_stamps(edge_cases.name(edge_cases.EMPTY))


def test_stamps_of_lsst_keep_their_wcs_variance_and_psf(alerce, tmp_path):
    stamps = alerce.get_stamps(LSST, survey="lsst")
    assert [hdu.name for hdu in stamps] == ["SCIENCE", "TEMPLATE", "DIFFERENCE"]
    one = edge_cases.lsst_entry(5)
    for hdu in stamps:
        centre = WCS(hdu.header).pixel_to_world(31, 31)
        assert centre.separation(SkyCoord(one["meanra"], one["meandec"], unit="deg")) < 1e-6 * u.deg
        assert hdu.header["BUNIT"] == "nJy"
    every = alerce.get_stamps(LSST, survey="lsst", include_variance_and_psf=True)
    assert [hdu.name for hdu in every[3:5]] == ["SCIENCE_VARIANCE", "SCIENCE_PSF"]
    assert len(every) == 9 and every["TEMPLATE_VARIANCE"].data[0, 0] == 144.0
    assert every["DIFFERENCE_PSF"].data.sum() == pytest.approx(1)
    every.verify("exception")
    every.writeto(tmp_path / "stamps.fits")
    assert len(alerce.get_stamps(OID, include_variance_and_psf=True)) == 3


def test_stamps_of_lsst(alerce, double):
    stamps = alerce.get_stamps(LSST, survey="lsst")
    assert stamps["SCIENCE"].header["CANDID"] == "170046560000005000"
    with pytest.raises(NotFoundError, match=f"does not know alert 12 of {LSST}") as caught:
        alerce.get_stamps(LSST, 12, survey="lsst")
    assert caught.value.reason == "Internal Server Error"
    for alert in (None, 12):
        with pytest.raises(NotFoundError, match="does not know 999 of LSST"):
            alerce.get_stamps(999, alert, survey="lsst")
    # A failure over what is known is no other thing.
    double.faults["stamps_api"] = Response(500, "Internal Server Error", "text/plain")
    with conf.set_temp("retries", 0), pytest.raises(RemoteServiceError) as caught:
        alerce.get_stamps(LSST, survey="lsst", cache=False)
    assert not isinstance(caught.value, NotFoundError)
    double.faults["lightcurve_api"] = Response(500, "Internal Server Error", "text/plain")
    with conf.set_temp("retries", 0), pytest.raises(RemoteServiceError) as caught:
        alerce.get_stamps(LSST, 170046560000005000, survey="lsst", cache=False)
    assert "stamps_api" in caught.value.url


@pytest.mark.filterwarnings("ignore::astropy.io.fits.verify.VerifyWarning")
def test_stamps_as_recorded(samples):
    for path in ("stamps/stamp_science.fits.gz", "stamps/stamp_template.fits.gz"):
        (hdu,) = _decode_images(samples(path), 1 << 20)
        assert hdu.data.shape == (63, 63) and hdu.data.dtype.itemsize == 4
        assert np.isfinite(hdu.data).any()


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", gzip.compress(b"text"), stamp_fits("science", 1)[:500]],
    ids=["nothing", "page", "text", "cut"],
)
def test_what_is_no_image_is_said_to_be_none(alerce, double, body):
    double.faults["get_stamp"] = Response(200, body, "application/fits+gzip")
    with pytest.raises(TableParseError, match=r"FITS|the stamp is truncated"):
        alerce.get_stamps(OID, CANDID, cache=False)


def test_a_figure_of_stamps_needs_no_notebook(alerce):
    plt = pytest.importorskip("matplotlib.pyplot", reason="the plotting extra is not installed")
    figure = alerce.plot_stamps(OID)
    assert len(figure.axes) == 3
    np.testing.assert_array_equal(
        figure.axes[0].images[0].get_array(), stamp_image("science", CANDID % 1000)
    )
    assert str(CANDID) in figure.get_suptitle()
    plt.close(figure)


def test_alert_packets(alerce):
    pytest.importorskip("fastavro", reason="the avro extra is not installed")
    assert alerce.get_avro(OID).startswith(b"Obj\x01")
    assert alerce.get_avro(OID, decoded=True) == {"objectId": OID, "candid": CANDID}
    with pytest.raises(NotFoundError, match="AVRO not found"):
        alerce.get_avro(OID, 99)
