"""Light curves as each client returns them go into one, through real requests to the sandbox."""

import warnings

import numpy as np
import pytest
from addresses import configured
from astropy.coordinates import SkyCoord
from clocks import FastClock, JumpingClock

from atlasquery import combine
from atlasquery.alerce import AlerceClass
from atlasquery.atlas import AtlasClass
from atlasquery.exceptions import InputWarning, InvalidQueryError
from atlasquery.forcedphot import AtlasForcedClass
from atlasquery.lccserver import LCCServerClass
from atlasquery.lightcurve import bin as bin_curve
from atlasquery.lightcurve import clean, read_ztf_forced, summary, to_sncosmo
from atlasquery.skyportal import SkyPortalClass

pytest.importorskip("werkzeug", reason="the sandbox extra is not installed")

POSITION = SkyCoord(150.0, 2.2, unit="deg")
ZTF_NAME, LSST_NUMBER = "ZTF18aaaaaaa", 45121627560013206
TABLE = b"""# Requested input R.A. = 150.1047 degrees
# Requested input Dec. = 2.2021 degrees
 index, field, filter, pid, zpdiff, jd, exptime, diffmaglim, forcediffimflux, forcediffimfluxunc
 0 455 ZTF_g 2000000000000 26.4 2458650.59821067 30.0 20.4 900.0 50.0
 1 455 ZTF_r 2000000000001 26.4 2458653.59821067 45.0 20.4 -20.0 60.0
"""


@pytest.fixture(scope="module")
def curves(sandbox):
    """Return what each client returns, by a name."""
    from atlasquery.sandbox.alerce.server import AlerceSandbox
    from atlasquery.sandbox.forcedphot.server import ForcedSandbox
    from atlasquery.sandbox.lccserver import catalogs
    from atlasquery.sandbox.lccserver.server import LCCSandbox
    from atlasquery.sandbox.skyportal.server import ADMIN, SkyPortalSandbox

    found = {}
    atlas = AtlasClass(sandbox.url)
    atlas.login(token=next(iter(sandbox.manifest["users"].values()))["token"])
    number = atlas.query_region(POSITION, radius="2 arcmin")["atlas_id"][0]
    found["atlas"] = atlas.get_light_curve(number)
    found["atlas forced"] = atlas.get_forced_photometry(number)
    clock = JumpingClock()
    with ForcedSandbox(clock) as server:
        forced = AtlasForcedClass(server.url)
        forced._clock = clock
        forced.login(token=server.users["alice"].token)
        found["forcedphot"] = forced.query_position(POSITION)
    with AlerceSandbox(seed=None) as server, configured(server):
        alerce = AlerceClass()
        found["ztf"] = alerce.get_light_curve(ZTF_NAME, forced=True)
        found["lsst"] = alerce.get_light_curve(LSST_NUMBER, survey="lsst", forced=True)
    clock = FastClock(1.79e9, 200.0)
    with SkyPortalSandbox(clock=clock.now) as server:
        server.reset()
        server.state.add_source("S1", 10.0, 20.0)
        detections = found["ztf"][found["ztf"]["detection"] & ~found["ztf"]["forced"]]
        for row in detections:
            flux, error = (float(row[name].value) for name in ("flux", "flux_err"))
            time, band = float(row["time"].mjd), f"ztf{row['band']}"
            server.state.add_point("S1", time, band, flux, error)
        portal = SkyPortalClass(server=server.url, token=ADMIN)
        portal._clock = clock
        found["skyportal"] = portal.get_photometry("S1")
    with LCCSandbox() as server:
        row = catalogs.objects()["synth_alpha"][0]
        found["lcc"] = LCCServerClass(server.url).get_light_curve(row["objectid"], "synth_alpha")
    found["ipac"] = read_ztf_forced(TABLE)
    return found


def quietly(*args, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InputWarning)
        return combine(*args, **options)


def test_all_together(curves):
    lc = quietly(list(curves.values()), barycentric=True)
    assert len(lc) == sum(map(len, curves.values()))
    names = {"atlas", "forcedphot", "alerce", "skyportal", "lccserver", "ztf_forced"}
    assert set(lc["service"]) == names
    assert set(lc["measurement"]) == {"detection", "forced", "limit"}
    assert set(lc["flux_kind"]) == {"difference", "total", "unknown"}
    with pytest.warns(InputWarning, match="a magnitude but no flux"):
        assert len(bin_curve(lc))
    assert len(summary(lc)) == 1 and len(clean(lc)) == len(lc)
    data = to_sncosmo(lc, bands=dict.fromkeys(set(lc["band"]) - set("cogri")))
    assert data.meta["time_reference"] == "middle"
    with pytest.raises(InvalidQueryError, match="barycentric=True"):
        combine(list(curves.values()))


@pytest.mark.parametrize("name", ["atlas", "atlas forced", "forcedphot", "ztf", "lsst", "ipac"])
def test_each_alone_is_brought_to_its_middle(curves, name):
    given = curves[name]
    lc = combine([given])
    start = given.meta["time_reference"] == "start"
    half = given["exposure_time"].value / 2 if start else np.zeros(len(given))
    assert start == (name != "lsst")
    later = np.sort((given.time.tai.mjd - 58000) * 86400 + half)
    assert np.allclose((lc.time.mjd - 58000) * 86400, later, rtol=0, atol=1e-5)
    assert (~lc["duplicate_of"].mask).sum() == 0 and not (lc["time_reference"] == "unknown").any()


@pytest.mark.parametrize(("name", "sent"), [("atlas", True), ("forcedphot", False),
                                            ("lsst", False), ("ipac", True)])  # fmt: skip
def test_it_is_known_whether_exposure_times_were_sent(curves, name, sent):
    assert (combine([curves[name]])["exposure_time_known"] == sent).all()


def test_kinds_of_measurements(curves):
    found = {
        name: dict(zip(*np.unique(np.asarray(quietly([lc])["measurement"]), return_counts=True),
                       strict=True)) for name, lc in curves.items()
    }  # fmt: skip
    seen = int(curves["atlas"]["detection"].sum())
    assert found["atlas"] == {"detection": seen, "limit": len(curves["atlas"]) - seen}
    for name in ("atlas forced", "forcedphot", "ipac"):
        assert found[name] == {"forced": len(curves[name])}
    for name in ("ztf", "lsst"):
        assert found[name]["forced"] == curves[name]["forced"].sum() > 0
        assert found[name]["detection"] == (curves[name]["detection"]
                                            & ~curves[name]["forced"]).sum() > 0  # fmt: skip
    assert found["lcc"] == {"detection": len(curves["lcc"])}


def test_points_of_ztf_in_skyportal_are_marked(curves):
    lc = quietly([curves["skyportal"], curves["ztf"]])
    marked = ~lc["duplicate_of"].mask
    assert marked.sum() == len(curves["skyportal"]) > 1
    assert set(lc["service"][marked]) == {"skyportal"}
    fewer = quietly([curves["skyportal"], curves["ztf"]], duplicates="drop")
    assert len(fewer) == len(curves["ztf"])


def test_many_objects_by_the_keys_of_two_clients(curves):
    many = combine([{"a": curves["atlas"], "b": curves["ztf"]}, {"a": curves["atlas forced"]}])
    assert {key: len(lc) for key, lc in many.items()} == {
        "a": len(curves["atlas"]) + len(curves["atlas forced"]), "b": len(curves["ztf"])
    }  # fmt: skip


def test_the_position_of_an_object_of_alerce_is_that_of_its_rows(curves):
    assert "coordinates" not in curves["ztf"].meta
    lc = combine([curves["ztf"]], barycentric=True)
    ra, dec = (np.nanmean(curves["ztf"][axis].filled(np.nan).value) for axis in ("ra", "dec"))
    given = combine([curves["ztf"]], barycentric=True, coordinates=SkyCoord(ra, dec, unit="deg"))
    assert np.abs((lc.time - given.time).sec).max() < 1e-3
