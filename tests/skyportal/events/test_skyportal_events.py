"""Galaxies, events of the GCN, sky maps and finding charts."""

import json
import math
import warnings
from base64 import b64decode

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.time import Time

from atlasquery.exceptions import (
    IncompleteResultError,
    InputWarning,
    InvalidQueryError,
    MaxResultsWarning,
    NoResultsWarning,
    NotFoundError,
    RemoteServiceError,
    TableParseError,
)
from atlasquery.sandbox.http import Response
from atlasquery.sandbox.skyportal.events import add_event, add_galaxy, png, sky_map, written
from atlasquery.sandbox.skyportal.routes import PortalError
from atlasquery.skyportal import conf

PLACE = SkyCoord(150.0, 2.0, unit="deg")
WHEN = "2018-01-16T00:36:53"


def flat_map(ordering="NESTED", nside=2, rows=12):
    """Return a map of pixels of one size, several of them in a row."""
    number = 12 * nside**2
    probability = np.arange(number) / (number * (number - 1) / 2)
    shaped = probability.reshape(rows, -1)
    column = fits.Column("PROB", f"{shaped.shape[1]}D", unit="pix-1", array=shaped)
    cards = fits.Header({"ORDERING": ordering, "NSIDE": nside})
    return written(fits.BinTableHDU.from_columns([column], header=cards))


def replay(double, exchange):
    """Let the double answer as the real server did."""
    body = json.dumps(exchange["body"])
    double.faults[""] = Response(exchange["status_code"], body)


@pytest.fixture
def galaxies(double):
    """Three galaxies, of which two are near each other, and one beyond 0 h."""
    add_galaxy(double.state, "far", 150.01, 2.0, distmpc=210.0, redshift=0.05, mstar=1e9)
    add_galaxy(double.state, "near", 150.001, 2.0, distmpc=336.6, redshift=0.07, mstar=1e10)
    add_galaxy(double.state, "edge", 359.9999, 0.0, "GLADE", distmpc=None)


def test_galaxies_recorded(skyportal, double, samples):
    replay(double, samples("galaxy_cone"))
    position = SkyCoord(0.3805, -5.9846, unit="deg")
    found = skyportal.query_galaxies(position, radius=0.01 * u.deg)
    assert found["name"].tolist() == ["6dFgs gJ0001313-055904"]
    assert found["distance"].unit == u.Mpc and found["distance"][0] == 336.6
    assert found["stellar_mass"].unit == u.Msun and found["stellar_mass"][0] == 1e10
    assert found["sfr_fuv"].unit == u.Msun / u.yr
    assert found["healpix"].dtype == np.int64 and found["healpix"][0] == 1221432781206486130
    assert found["magk"].mask.all() and np.isnan(found["magk"].data.data).all()
    assert isinstance(found["created_at"], Time) and found["created_at"].scale == "utc"
    # By its position as recorded: 0.00004167 and 0.00001 degrees away.
    assert found["separation"].unit == u.arcsec
    expected = position.separation(SkyCoord(found["ra"], found["dec"])).to_value(u.arcsec)
    assert found["separation"][0] == pytest.approx(expected[0], abs=1e-6)
    assert 0.1 < found["separation"][0] < 0.2


def test_galaxies_recorded_of_a_catalogue(skyportal, double, samples):
    exchange = samples("galaxy_get_all")
    replay(double, exchange)
    found = skyportal.query_galaxies(catalog="CLU_test")
    sent = exchange["body"]["data"]["galaxies"]
    assert found["galaxy_id"].tolist() == [row["id"] for row in sent]
    assert found["redshift"].tolist() == [row["redshift"] for row in sent]
    assert "separation" not in found.colnames
    replay(double, samples("galaxy_names"))
    catalogs = skyportal.list_galaxy_catalogs()
    assert catalogs["name"].tolist() == ["CLU_test"] and catalogs["n_galaxies"].tolist() == [2]
    replay(double, samples("get_galaxy"))
    with pytest.warns(NoResultsWarning):
        none = skyportal.query_galaxies(name="none")
    assert len(none) == 0
    assert [none[n].dtype for n in ("ra", "galaxy_id")] == [np.float64, np.int64]


def test_galaxies_by_separation(skyportal, double, galaxies):
    found = skyportal.query_galaxies(PLACE, radius="1 arcmin")
    assert found["name"].tolist() == ["near", "far"]
    assert found["separation"].tolist() == pytest.approx([3.5978, 35.978], abs=1e-3)
    sent = double.asked("galaxy_catalog")[0]
    # In degrees: see docs/servers/skyportal.rst, "Pages of galaxies".
    assert "radius=0.01666" in sent and "ra=150.0&" in sent


def test_galaxies_around_many_positions(skyportal, galaxies):
    places = SkyCoord([[150.0], [0.0]], [[2.0], [0.0]], unit="deg")
    found = skyportal.query_galaxies(places, radius="5 arcsec")
    assert found["query_index"].tolist() == [0, 1]
    assert found["name"].tolist() == ["near", "edge"]
    assert found["distance"].mask.tolist() == [False, True]


def test_a_position_that_fails_loses_no_other(skyportal, double, galaxies):
    double.faults["ra=0.0"] = PortalError(400, "get_galaxies fails: the sky fell down")
    places = SkyCoord([150.0, 0.0], [2.0, 0.0], unit="deg")
    with pytest.raises(IncompleteResultError, match="the sky fell down") as caught:
        skyportal.query_galaxies(places, radius="5 arcsec")
    assert caught.value.result["name"].tolist() == ["near"]
    with pytest.warns(InputWarning, match="1 of 2 positions failed"):
        found = skyportal.query_galaxies(places, radius="5 arcsec", on_error="warn")
    assert found["name"].tolist() == ["near"] and len(found.meta["failures"]) == 1


def test_galaxies_by_criteria(skyportal, double, galaxies):
    ask = skyportal.query_galaxies
    assert ask(distance=(None, 300))["name"].tolist() == ["far"]
    assert ask(redshift=(0.06, None))["name"].tolist() == ["near"]
    assert ask(stellar_mass=(5e9, 5e10))["name"].tolist() == ["near"]
    assert ask(name="EA")["name"].tolist() == ["near"]
    assert ask(catalog="GLADE")["name"].tolist() == ["edge"]
    with pytest.raises(RemoteServiceError, match="Catalog with name none not found"):
        ask(catalog="none")
    double.state.tables["inside"] = {WHEN: {"edge"}}
    found = ask(localization=(Time(WHEN), "map, of 2018"), probability=0.5)
    assert found["name"].tolist() == ["edge"]
    assert "localizationCumprob=0.5" in double.asked()[-1]
    assert f"localizationDateobs={WHEN.replace(':', '%3A')}&" in double.asked()[-1]


def test_bounds_that_the_server_forgets_hold(skyportal, double, galaxies):
    """It drops a lower bound that is not below the upper one, and does not search by mass."""
    ask = skyportal.query_galaxies
    add_galaxy(double.state, "nearest", 10.0, 2.0, distmpc=1.0, mstar=1e10)
    assert len(skyportal.request("GET", "galaxy_catalog", minDistance=210.0, maxDistance=210.0)[
        "galaxies"
    ]) == 2  # fmt: skip
    assert ask(distance=(210.0, 210.0))["name"].tolist() == ["far"]
    assert ask(distance=(0.1 + 0.2, 1))["name"].tolist() == ["nearest"]
    assert ask(redshift=(0.05, 0.05))["name"].tolist() == ["far"]
    assert ask(stellar_mass=(1e9, 1e9))["name"].tolist() == ["far"]
    assert ask(PLACE, radius="1 deg", stellar_mass=(5e9, None))["name"].tolist() == ["near"]
    for nothing in ({"distance": (0, 0)}, {"distance": (0.9, math.nextafter(1.0, 0.0))}):
        with pytest.warns(NoResultsWarning):
            assert len(ask(**nothing)) == 0
    # The distance of an event is an upper bound, too.
    double.state.tables |= {"inside": {WHEN: {"near", "nearest"}}, "reach": (0.0, 100.0)}
    assert ask(localization=WHEN)["name"].tolist() == ["nearest"]
    with pytest.warns(NoResultsWarning):
        assert len(ask(localization=WHEN, distance=(300, None))) == 0


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"coordinates": PLACE}, "go together"),
        ({"radius": "5 arcsec"}, "go together"),
        ({"coordinates": PLACE, "radius": 5}, "radius=5"),
        ({"coordinates": PLACE, "radius": "0 deg"}, "radius"),
        ({"coordinates": PLACE, "radius": "91 deg"}, "90 degrees"),
        ({"distance": (300, 200)}, "ends before"),
        ({"distance": 300}, "pair"),
        ({"probability": 0.5}, "localization"),
        ({"localization": WHEN, "probability": 1.5}, "probability=1.5"),
        ({"on_error": "ignore"}, "on_error"),
    ],
)
def test_galaxies_refused_before_sending(skyportal, double, wrong, why):
    with pytest.raises(InvalidQueryError, match=why):
        skyportal.query_galaxies(**wrong)
    with pytest.raises(TypeError, match="did you mean 'distance'"):
        skyportal.query_galaxies(distanc=(1, 2))
    assert not double.received


@pytest.mark.parametrize("name", ["page", "pageNumber"])
def test_all_pages_of_galaxies_whatever_a_page_is_called(skyportal, double, name):
    double.state.tables["galaxy_page"] = name
    for n in range(2300):
        add_galaxy(double.state, f"g{n:04d}", n / 10, 0.0)
    found = skyportal.query_galaxies(max_rows=-1)
    assert found["name"].tolist() == [f"g{n:04d}" for n in range(2300)]
    assert len(double.asked()) == 3
    assert len(skyportal.request("GET", "galaxy_catalog", paginate=True)) == 2300
    with pytest.warns(MaxResultsWarning, match="2300"):
        assert len(skyportal.query_galaxies(max_rows=10)) == 10


def test_galaxies_of_elsewhere_are_an_error(skyportal, double, samples):
    replay(double, samples("galaxy_get_all"))
    with pytest.raises(TableParseError, match="ignored the position"):
        skyportal.query_galaxies(PLACE, radius="5 arcsec")
    with pytest.raises(TableParseError, match="galaxies instead of names"):
        skyportal.list_galaxy_catalogs()


def test_galaxies_of_other_versions(skyportal, double, galaxies):
    double.state.extra, double.state.without = {"new_key": 7}, {"distmpc", "modified"}
    found = skyportal.query_galaxies(PLACE, radius="1 arcmin")
    assert found["new_key"].tolist() == [7, 7]
    assert found["distance"].mask.all() and found["modified"].mask.all()


def test_events_recorded(skyportal, double, samples):
    replay(double, samples("gcn_list"))
    found = skyportal.query_gcn_events()
    assert found["dateobs"].isot.tolist() == ["2018-01-16T00:36:53.000"]
    assert found["trigger_id"].tolist() == ["537755817"]
    assert found["aliases"].tolist() == ["FERMI#bn180116026"]
    assert found["tags"].tolist() == ["Fermi, GRB"]
    assert found["localizations"].tolist() == ["214.74000_28.14000_11.19000"]
    assert found["notices"].tolist() == ["FERMI_GBM_GND_POS"]
    assert found["tach_id"].mask.all()
    assert not {"observationplan_requests", "gcn_triggers"} & set(found.colnames)
    assert found["sent_by_id"].tolist() == [1]
    replay(double, samples("get_gcn"))
    with pytest.warns(NoResultsWarning, match="no such event"):
        none = skyportal.query_gcn_events(cache=False)
    assert len(none) == 0 and isinstance(none["dateobs"], Time)


def test_events_by_criteria(skyportal, double):
    add_event(double.state, WHEN)
    add_event(double.state, "2023-05-29T18:15:00", tags=["GW", "BBH"])
    ask = skyportal.query_gcn_events
    assert ask()["dateobs"].isot.tolist() == ["2023-05-29T18:15:00.000", f"{WHEN}.000"]
    assert ask(tags=["GW", "neutrino"])["tags"].tolist() == ["GW, BBH"]
    assert ask(without_tags="BBH")["tags"].tolist() == ["GRB"]
    assert len(ask(start="2020-01-01")) == len(ask(end=Time("2020-01-01"))) == 1
    assert len(ask(start=58134, end=58135)) == 1
    with pytest.raises(InvalidQueryError, match="ends before"):
        ask(start="2020-01-01", end="2019-01-01")
    with pytest.raises(InvalidQueryError, match="comma"):
        ask(tags=["GW,GRB", "x"])
    with pytest.raises(TypeError, match="did you mean 'tags'"):
        ask(tag="GW")


def test_all_pages_of_events(skyportal, double):
    for n in range(230):
        add_event(double.state, f"2020-01-01T00:{n // 60:02d}:{n % 60:02d}", maps=())
    found = skyportal.query_gcn_events(max_rows=-1)
    assert len(np.unique(found["event_id"])) == 230
    assert np.all(np.diff(found["dateobs"].mjd) < 0)
    assert len(double.asked()) == 3


def test_sky_map_of_many_sizes(skyportal, double):
    add_event(double.state, WHEN, maps={"3d, of GW": sky_map(distances=True)})
    found = skyportal.get_localization(Time(WHEN), "3d, of GW")
    assert found.colnames == ["UNIQ", "PROBDENSITY", "PROB", "DISTMU", "DISTSIGMA", "DISTNORM"]
    assert found["UNIQ"].dtype == np.int64 and len(found) == 51
    assert found["PROBDENSITY"].unit == u.sr**-1 and found["DISTMU"].unit == u.Mpc
    assert found["DISTNORM"].unit == u.Mpc**-2
    assert found["PROB"].sum() == pytest.approx(1.0, abs=1e-12)
    # Four small pixels are one large one: the density is by their area.
    assert found["PROB"][:2].tolist() == pytest.approx([0.5, 0.01])
    assert found["PROBDENSITY"][0] == pytest.approx(0.5 * 192 / (4 * np.pi))
    assert found["PROBDENSITY"][4] == pytest.approx(0.01 * 48 / (4 * np.pi))
    assert found.meta["ORDERING"] == "NUNIQ" and found.meta["OBJECT"] == "G1"
    assert found.meta["map"] == "3d, of GW" and "TTYPE1" not in found.meta
    again = skyportal.get_localization(WHEN, "3d, of GW")
    assert np.all(again["UNIQ"] == found["UNIQ"])
    assert len(double.asked("download")) == 1


def test_deepest_pixels_keep_their_order(skyportal, double):
    last = np.array([16 * 4**29 - 1, 4 * 4**29, 16 * 4**28 - 1])
    columns = [
        fits.Column("UNIQ", "K", array=last),
        fits.Column("PROBDENSITY", "D", array=np.ones(3)),
    ]
    add_event(double.state, WHEN, maps={"deep": written(fits.BinTableHDU.from_columns(columns))})
    found = skyportal.get_localization(WHEN)
    area = 4 * np.pi / (12 * 4.0 ** np.array([29, 29, 28]))
    assert found["UNIQ"].tolist() == last.tolist()
    assert found["PROB"] / area == pytest.approx(np.ones(3))


@pytest.mark.parametrize("ordering", ["NESTED", "RING"])
def test_sky_map_of_one_size(skyportal, double, ordering):
    add_event(double.state, WHEN, maps={"flat": flat_map(ordering)})
    found = skyportal.get_localization(WHEN)
    assert len(found) == 48 and found.meta["ORDERING"] == ordering
    assert found["PROB"].sum() == pytest.approx(1.0) and found["PROB"].unit is None
    assert found["PROB"][47] == pytest.approx(47 / 1128)
    assert found["PROBDENSITY"][47] == pytest.approx(47 / 1128 * 48 / (4 * np.pi))
    # Only nested pixels are numbered as those of many sizes.
    assert ("UNIQ" in found.colnames) == (ordering == "NESTED")
    if ordering == "NESTED":
        assert found["UNIQ"].tolist() == list(range(16, 64))


def test_sky_map_as_file(skyportal, double):
    add_event(double.state, WHEN, maps={"flat": sky_map()})
    hdus = skyportal.get_localization(WHEN, as_hdus=True)
    assert isinstance(hdus, fits.HDUList) and hdus[1].header["ORDERING"] == "NUNIQ"
    assert hdus[1].data["PROBDENSITY"].shape == (51,)


def test_sky_map_that_is_not_there(skyportal, double, samples):
    add_event(double.state, WHEN, maps=("one", "two"))
    add_event(double.state, "2020-01-01T00:00:00", maps=())
    with pytest.raises(InvalidQueryError, match="'one', 'two'"):
        skyportal.get_localization(WHEN)
    with pytest.raises(NotFoundError, match="sky map three of 2018"):
        skyportal.get_localization(WHEN, "three")
    with pytest.raises(NotFoundError, match="no event of 2019"):
        skyportal.get_localization("2019-01-01")
    with pytest.raises(NotFoundError, match="no sky map of 2020"):
        skyportal.get_localization("2020-01-01")
    with pytest.raises(InvalidQueryError, match="event="):
        skyportal.get_localization("yesterday")
    replay(double, samples("gcn_404"))
    with pytest.raises(NotFoundError, match="GCN event not found"):
        skyportal.get_localization(WHEN, "four")


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"<html>please log in</html>", "the FITS file could not be read"),
        (sky_map()[:3000], "could not be read|no table"),
        (flat_map(nside=2)[:2880], "no table"),
    ],
)
def test_damaged_sky_maps(skyportal, double, body, why):
    add_event(double.state, WHEN, maps={"flat": body})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(TableParseError, match=why):
            skyportal.get_localization(WHEN)
        # Nothing damaged is stored.
        double.state.tables["maps"][WHEN]["flat"] = sky_map()
        assert len(skyportal.get_localization(WHEN)) == 51


def test_finding_chart(skyportal, double, tmp_path):
    chart = skyportal.get_finding_chart(PLACE, image_size="5 arcmin", obstime=Time("2026-01-02"))
    assert chart.data == bytes(chart) == png() and chart.kind == "png"
    shown = chart._repr_mimebundle_()
    assert b64decode(shown["image/png"]) == png() and "150.000000 +2.000000" in shown["text/plain"]
    sent = double.asked("unsourced_finder")[0]
    for part in ("location_type=pos", "ra=150.0", "imsize=5.0", "type=png", "num_offset_stars=3"):
        assert f"{part}&" in f"{sent}&".replace("?", "&")
    assert "obstime=2026-01-02T00%3A00%3A00.000" in sent
    assert chart.save(tmp_path / "chart").read_bytes() == png()
    assert (tmp_path / "chart.png").exists()
    assert chart.save(tmp_path / "a.b") == tmp_path / "a.b"
    assert chart.meta["service"] == "SkyPortal"
    # An image of the sky does not change in minutes.
    skyportal.get_finding_chart(PLACE, image_size="5 arcmin", obstime=Time("2026-01-02"))
    assert len(double.asked("unsourced_finder")) == 1


def test_finding_chart_of_an_object_and_of_a_star(skyportal, double):
    double.state.add_source("ATLAS24abc", 150.1163, 2.2058)
    chart = skyportal.get_finding_chart("ATLAS24abc", file_type="pdf")
    assert chart.kind == "pdf" and "application/pdf" in chart._repr_mimebundle_()
    assert repr(chart) == "<Picture Finding chart of ATLAS24abc: pdf, 15 bytes>"
    assert "ra=150.1163" in double.asked("unsourced_finder")[0]
    skyportal.get_finding_chart(gaia=4472832130942575872)
    assert "location_type=gaia_dr3" in double.asked()[-1]
    assert "catalog_id=4472832130942575872" in double.asked()[-1]
    with pytest.raises(NotFoundError, match="object NOPE"):
        skyportal.get_finding_chart("NOPE")


def test_finding_chart_recorded(skyportal, double, samples):
    exchange = samples("source_position")
    double.faults["/position"] = Response(200, json.dumps(exchange["body"]))
    skyportal.get_finding_chart("ATLAS24abc")
    assert "ra=150.1163&dec=2.2058" in double.asked()[-1]
    double.faults["/facilities"] = Response(200, json.dumps(samples("finder_facilities")["body"]))
    found = skyportal.list_facilities()
    assert found["name"].tolist() == ["Keck", "P200", "P200-NGPS", "Shane"]
    assert found["radius"].unit == u.deg and found["min_separation"].unit == u.arcsec
    assert found["mag_limit"].tolist() == [18.5, 18.0, 18.0, 17.0]


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({}, "target or gaia"),
        ({"target": PLACE, "gaia": 1}, "target or gaia"),
        ({"gaia": 4.4e18}, "float loses digits"),
        ({"target": PLACE, "image_size": 4}, "image_size=4"),
        ({"target": PLACE, "image_size": "1 arcmin"}, "2 to 15"),
        ({"target": PLACE, "image": "sdss"}, "image='sdss'"),
        ({"target": PLACE, "offset_stars": 5}, "0 to 4"),
        ({"target": PLACE, "file_type": "gif"}, "file_type='gif'"),
        ({"target": SkyCoord([1, 2], [1, 2], unit="deg")}, "2 positions"),
        ({"target": "a b"}, "not an id"),
    ],
)
def test_finding_chart_refused_before_sending(skyportal, double, wrong, why):
    with pytest.raises(InvalidQueryError, match=why):
        skyportal.get_finding_chart(**wrong)
    assert not double.received


def test_finding_chart_that_the_server_refuses(skyportal, double):
    # Errors come in JSON, whatever their status.
    with pytest.raises(RemoteServiceError, match="Invalid facility") as caught:
        skyportal.get_finding_chart(PLACE, facility="VLT")
    assert caught.value.status == 400
    refusal = {"status": "error", "message": "no image there", "data": {}}
    double.faults["unsourced_finder"] = Response(200, json.dumps(refusal))
    with pytest.raises(RemoteServiceError, match="no image there"):
        skyportal.get_finding_chart(PLACE)
    double.faults["unsourced_finder"] = Response(200, "<html>busy</html>", "image/png")
    with pytest.raises(TableParseError, match="no picture"):
        skyportal.get_finding_chart(PLACE)
    with conf.set_temp("retries", 0):
        double.faults["unsourced_finder"] = PortalError(500, "Traceback ...\nIOError: PS1 is down")
        with pytest.raises(RemoteServiceError, match="PS1 is down"):
            skyportal.get_finding_chart(PLACE)


def test_warnings_point_to_the_user(skyportal, double, galaxies):
    add_event(double.state, WHEN)
    add_event(double.state, "2020-01-01T00:00:00")
    double.faults["ra=0.0"] = PortalError(400, "the sky fell down")
    double.state.tables["services"] = []
    places = SkyCoord([150.0, 0.0], [2.0, 0.0], unit="deg")
    calls = [
        lambda: skyportal.query_galaxies(name="none"),
        lambda: skyportal.query_galaxies(SkyCoord(10, 10, unit="deg"), radius="5 arcsec"),
        lambda: skyportal.query_galaxies(places, radius="5 arcsec", on_error="warn"),
        lambda: skyportal.query_galaxies(max_rows=1),
        lambda: skyportal.query_galaxies(PLACE, radius="1 deg", max_rows=1),
        lambda: skyportal.query_gcn_events(max_rows=1),
        lambda: skyportal.query_gcn_events(start="2025-01-01"),
        lambda: skyportal.list_analysis_services(),
        lambda: skyportal.list_analyses(),
    ]
    for call in calls:
        with pytest.warns((NoResultsWarning, MaxResultsWarning, InputWarning)) as caught:
            call()
        assert [warning.filename for warning in caught] == [__file__]


def test_an_answer_of_elsewhere_loses_no_other(skyportal, double, galaxies, samples):
    wrong = json.dumps(samples("galaxy_get_all")["body"])
    double.faults["ra=0.0"] = Response(200, wrong)
    places = SkyCoord([150.0, 0.0], [2.0, 0.0], unit="deg")
    with pytest.warns(InputWarning, match="ignored the position"):
        found = skyportal.query_galaxies(places, radius="5 arcsec", on_error="warn")
    assert found["name"].tolist() == ["near"]


@pytest.mark.parametrize(("sent", "stored"), [(1e-310, 0.0), (1e-299, 1e-299)])
def test_probabilities_that_are_too_small_to_store(skyportal, double, sent, stored):
    add_event(double.state, WHEN, maps={"map": sky_map(faint=sent)})
    found = skyportal.get_localization(WHEN, "map")
    assert found["PROB"][0] == pytest.approx(1.0)
    # None is a value of the map, and not a missing one.
    assert not np.any(np.ma.getmaskarray(np.ma.asarray(found["PROB"])))
    assert found["PROB"][4:].tolist() == pytest.approx([stored] * 47, rel=1e-9, abs=0)
