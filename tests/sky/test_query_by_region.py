"""Queries by region: every service of the sandbox against a cut of all that it has."""

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord, UnitSphericalRepresentation
from astropy.wcs import WCS

from atlasquery import Alerce, Atlas, LCCServer, SkyPortal, find
from atlasquery.alerce import conf as alerce_conf
from atlasquery.atlas import conf as atlas_conf
from atlasquery.exceptions import (
    IncompleteResultError,
    InvalidQueryError,
    LoginError,
    MaxResultsWarning,
    NoResultsWarning,
)
from atlasquery.lccserver import LCCQuery
from atlasquery.regions import read_region
from atlasquery.sandbox.http import Response
from atlasquery.sandbox.sky import PLACES

mocpy = pytest.importorskip("mocpy", reason="the extra regions is not installed")
shapes = pytest.importorskip("regions", reason="the package regions is not installed")

SERVICES = {
    "atlas": (Atlas, "atlas_id", {}),
    "ztf": (Alerce, "oid", {"survey": "ztf"}),
    "lsst": (Alerce, "oid", {"survey": "lsst"}),
    "lccserver": (LCCServer, "objectid", {"progress": False}),
    "skyportal": (SkyPortal, "id", {}),
}
CENTRES = {name: SkyCoord(*place, unit="deg") for name, place in PLACES.items()}


def square(centre, width, turn=0 * u.deg):
    return shapes.RectangleSkyRegion(centre, width, width, turn)


def corners(centre, distance, count=5):
    return centre.directional_offset_by(np.arange(count) * 360 / count * u.deg, distance)


def cone_moc(ra, dec, radius, order):
    lon, lat, angle = ra * u.deg, dec * u.deg, radius * u.deg
    return mocpy.MOC.from_cone(lon=lon, lat=lat, radius=angle, max_depth=order)


REGIONS = {
    # Cells of several orders, one of them far away; most of the crowded place.
    "moc": lambda: cone_moc(150, 2.2, 0.2, 11).union(cone_moc(84, -5.4, 0.42, 10)),
    "circle": lambda: shapes.CircleSkyRegion(CENTRES["main"], 700 * u.arcsec),
    "ellipse": lambda: shapes.EllipseSkyRegion(
        CENTRES["crowded"].galactic, 0.15 * u.deg, 0.05 * u.deg, 30 * u.deg
    ),
    "polygon over RA 0": lambda: shapes.PolygonSkyRegion(corners(CENTRES["ra_zero"], 0.07 * u.deg)),
    "polygon on the pole": lambda: shapes.PolygonSkyRegion(
        SkyCoord([0, 90, 180, 270], [89.95, 89.93, 89.95, 89.93], unit="deg")
    ),
    "south pole": lambda: square(CENTRES["south_pole"], 0.1 * u.deg, 20 * u.deg),
    "annulus": lambda: shapes.CircleAnnulusSkyRegion(
        CENTRES["main"], 200 * u.arcsec, 900 * u.arcsec
    ),
}


@pytest.fixture(scope="module")
def read_before():
    return {}


@pytest.fixture
def everything(servers, read_before):
    """All that a service has, with positions, read without any search by position."""

    def read(name):
        if name not in read_before:
            read_before[name] = fetch(name)
        return read_before[name]

    def fetch(name):
        client, column, options = SERVICES[name]
        if name == "atlas":
            ids = sorted(one.atlas_id for one in servers.sky)
            return client.get_objects(ids), column
        if name == "lsst":
            # Lists leave out the objects that nobody has classified.
            ids = [one.lsst_id for one in servers.sky if one.lsst_id is not None]
            return client.query_objects(ids, survey="lsst"), column
        if name == "lccserver":
            return client.query_criteria("ndet > -1", **options), column
        return client.query_criteria(max_rows=-1, **options), column

    return read


def cut(table, region):
    positions = SkyCoord(table["ra"], table["dec"])
    if isinstance(region, mocpy.MOC):
        return region.contains_skycoords(positions)
    if isinstance(region, shapes.CircleSkyRegion):
        return region.center.separation(positions) <= region.radius
    if isinstance(region, shapes.CircleAnnulusSkyRegion):
        distance = region.center.separation(positions)
        return (distance > region.inner_radius) & (distance <= region.outer_radius)
    # By the package itself, in a plane that touches the sky at its middle.
    vertices = getattr(region, "vertices", None)
    middle = region.center if vertices is None else mean_of(vertices)
    return tangent_cut(region, middle, positions)


def mean_of(vertices):
    mean = vertices.cartesian.mean().represent_as(UnitSphericalRepresentation)
    return SkyCoord(mean, frame=vertices.frame.name)


def tangent_cut(region, middle, positions):
    wcs = WCS(naxis=2)
    # Angles of shapes are those of the frame of their centre.
    axes = ("GLON", "GLAT") if middle.frame.name == "galactic" else ("RA--", "DEC-")
    wcs.wcs.ctype = [f"{axis}-TAN" for axis in axes]
    wcs.wcs.crval = middle.spherical.lon.deg, middle.spherical.lat.deg
    wcs.wcs.crpix = 0, 0
    wcs.wcs.cdelt = -1e-5, 1e-5
    front = middle.separation(positions) < 80 * u.deg
    found = np.zeros(len(positions), dtype=bool)
    x, y = wcs.world_to_pixel(positions[front])
    found[front] = region.to_pixel(wcs).contains(shapes.PixCoord(x, y))
    return found


@pytest.mark.parametrize("kind", REGIONS)
@pytest.mark.parametrize("name", SERVICES)
def test_a_region_is_all_that_is_inside(everything, name, kind, quiet):
    region = REGIONS[kind]()
    table, column = everything(name)
    expected = sorted(table[column][cut(table, region)].tolist())
    client, _, options = SERVICES[name]
    found = client.query_region(region, **options)
    assert found[column].tolist() == expected
    assert len(found) or (name, kind) in NOTHING
    assert "separation" not in found.colnames
    assert set(found["query_index"].tolist()) <= {0}
    assert found.meta["region"] == read_region(region).name
    if name == "atlas":
        assert client.count_region(region) == len(expected)


# Neither survey sees these poles, or that far south.
NOTHING = {
    ("ztf", "south pole"), ("lsst", "polygon on the pole"), ("lccserver", "south pole"),
}  # fmt: skip


@pytest.mark.parametrize("name", SERVICES)
def test_an_empty_region_costs_nothing(servers, name, caplog):
    client, column, options = SERVICES[name]
    servers.alerce.received.clear()
    servers.atlas.clear_requests()
    region = mocpy.MOC.new_empty(10)
    with pytest.warns(NoResultsWarning, match="no"):
        found = client.query_region(region, **options)
    assert len(found) == 0
    assert column in found.colnames
    assert servers.alerce.received == []
    assert servers.atlas.requests == []
    assert client.query_region(region, get_query_payload=True, **options) == []


@pytest.mark.parametrize("name", SERVICES)
def test_a_region_without_objects_is_an_empty_table(servers, name):
    client, _, options = SERVICES[name]
    region = shapes.CircleSkyRegion(SkyCoord(77.7, 5, unit="deg"), 20 * u.arcmin)
    with pytest.warns(NoResultsWarning, match="has no"):
        found = client.query_region(region, **options)
    full = client.query_region(REGIONS["moc"](), **options)
    assert len(found) == 0
    assert found.colnames == full.colnames
    assert [found[c].info.unit for c in found.colnames] == [
        full[c].info.unit for c in full.colnames
    ]


@pytest.mark.parametrize("name", SERVICES)
def test_a_region_is_the_same_as_its_circle(servers, name, quiet):
    client, column, options = SERVICES[name]
    radius = 4 * u.arcmin
    circle = client.query_region(CENTRES["main"], radius, **options)
    region = shapes.CircleSkyRegion(CENTRES["main"], radius)
    found = client.query_region(region, **options)
    assert sorted(found[column].tolist()) == sorted(circle[column].tolist())
    assert [c for c in circle.colnames if c != "separation"] == found.colnames
    order = np.argsort(circle[column])
    for other in ("ra", "dec"):
        assert found[other].tolist() == circle[other][order].tolist()
        assert found[other].unit == circle[other].unit


@pytest.mark.parametrize("name", SERVICES)
def test_a_region_has_no_radius_and_positions_need_one(servers, name):
    client, _, options = SERVICES[name]
    region = REGIONS["circle"]()
    with pytest.raises(InvalidQueryError, match=r"radius=3 arcsec is for positions.*circle"):
        client.query_region(region, "3 arcsec", **options)
    with pytest.raises(InvalidQueryError, match=r"radius is missing.*region"):
        client.query_region(CENTRES["main"], **options)
    with pytest.raises(InvalidQueryError, match=r"radius is missing.*polygon.*read_region"):
        client.query_region(corners(CENTRES["main"], 1 * u.deg), **options)
    with pytest.raises(InvalidQueryError, match="PointSkyRegion is not a region"):
        client.query_region(shapes.PointSkyRegion(CENTRES["main"]), **options)


@pytest.mark.parametrize("name", SERVICES)
def test_the_plan_is_announced_and_had_without_sending(servers, name, caplog, quiet):
    client, _, options = SERVICES[name]
    region = REGIONS["moc"]()
    servers.atlas.clear_requests()
    servers.alerce.received.clear()
    plan = client.query_region(region, get_query_payload=True, **options)
    assert len(plan) > 1
    assert servers.atlas.requests == []
    assert servers.alerce.received == []
    caplog.clear()
    client.query_region(region, **options)
    (line,) = [r.getMessage() for r in caplog.records if "cone search" in r.getMessage()]
    area = read_region(region).area
    assert f"{len(plan)} cone searches for the" in line
    assert f"({area.value:.4g} deg2)" in line
    if name.startswith("alerce"):
        survey = options.get("survey", "ztf").upper()
        assert line.startswith(f"ALeRCE ({survey}): ")
    if name == "atlas":
        sent = [one for one in servers.atlas.requests if "cone" in one.path]
        assert len(sent) == len(plan)


def test_too_many_searches_are_refused_before_anything_is_sent(servers):
    region = square(CENTRES["main"], 7 * u.deg)
    servers.atlas.clear_requests()
    with pytest.raises(InvalidQueryError, match=r"max_region_requests.*atlasquery\.within"):
        Atlas.query_region(region)
    with (
        atlas_conf.set_temp("max_region_requests", 5),
        pytest.raises(InvalidQueryError, match=r"takes \d+ cone searches, and 5 are allowed"),
    ):
        Atlas.query_region(square(CENTRES["main"], 0.3 * u.deg))
    # A plan of too many can be looked at.
    assert len(Atlas.query_region(region, get_query_payload=True)) > 1000
    with pytest.raises(InvalidQueryError, match=r"at least .* A plan has up to"):
        Atlas.query_region(square(CENTRES["main"], 60 * u.deg), get_query_payload=True)
    assert servers.atlas.requests == []
    with (
        alerce_conf.set_temp("max_region_requests", 0),
        pytest.raises(InvalidQueryError, match="1"),
    ):
        Alerce.query_region(region)


@pytest.mark.parametrize("name", ["ztf", "lsst", "lccserver", "skyportal"])
def test_max_rows_counts_objects_of_the_region(servers, name, quiet):
    client, column, options = SERVICES[name]
    region = REGIONS["moc"]()
    full = client.query_region(region, max_rows=-1, **options)
    with pytest.warns(MaxResultsWarning):
        few = client.query_region(region, max_rows=7, **options)
    assert few[column].tolist() == full[column].tolist()[:7]


def test_options_of_positions_are_refused(servers):
    region = REGIONS["circle"]()
    for options in ({"nearest": True}, {"positions": False}):
        (name,) = options
        with pytest.raises(InvalidQueryError, match=f"{name} is for positions"):
            Atlas.query_region(region, **options)
    with pytest.raises(InvalidQueryError, match="sample is for positions"):
        LCCServer.query_region(region, sample=3)


@pytest.mark.parametrize("kind", REGIONS)
def test_a_saved_search_of_lccserver_knows_its_region(servers, kind, tmp_path, quiet):
    region = REGIONS[kind]()
    direct = LCCServer.query_region(region, sort="-ndet", columns="ndet", progress=False)
    LCCServer.query_region(
        region, sort="-ndet", columns="ndet", progress=False, wait=False, save=tmp_path / "query"
    )
    found = LCCServer.fetch(LCCQuery.load(tmp_path / "query"), progress=False)
    assert found["objectid"].tolist() == direct["objectid"].tolist()
    assert np.all(np.diff(direct["ndet"]) <= 0)
    assert found.meta["region"] == read_region(region).name


def test_find_searches_a_region_in_all_services(everything, servers, quiet):
    region = REGIONS["moc"]()
    found = find(region)
    assert found.failures == {}
    objects = found.objects
    for name in SERVICES:
        table, column = everything(name)
        expected = sorted(map(str, table[column][cut(table, region)].tolist()))
        service, survey = {"ztf": ("alerce", "ztf"), "lsst": ("alerce", "lsst")}.get(
            name, (name, None)
        )
        chosen = objects["service"] == service
        if survey:
            chosen &= objects["survey"] == survey
        assert sorted(objects["object_id"][chosen].tolist()) == expected
    assert objects["separation"].mask.all()
    assert objects.meta["region"] == read_region(region).name
    assert "in the MOC" in repr(found)
    assert "<" in found._repr_html_()
    with pytest.raises(InvalidQueryError, match="not one target"):
        found.light_curve()


def test_find_takes_one_region_without_a_radius(servers, quiet):
    region = REGIONS["circle"]()
    with pytest.raises(InvalidQueryError, match="radius is for positions"):
        find(region, radius="2 arcsec")
    found = find(region, services="skyportal", light_curves=True)
    assert 0 < len(found.light_curves()) <= len(found)
    every = find(region, services="alerce").objects
    later = find(region, services="alerce", since="2026-10-01")
    assert 0 < len(later) < len(every)
    assert len(later) == np.count_nonzero(every["last_time"].utc.isot > "2026-10-01")


def test_forced_photometry_has_no_regions(forced):
    with pytest.raises(LoginError, match="forcedphot: It measures positions"):
        find(REGIONS["circle"](), services="forcedphot")


def test_one_failed_search_of_many_is_named_and_the_rest_returned(everything, servers):
    region = REGIONS["moc"]()
    table, _ = everything("ztf")
    plan = Alerce.query_region(region, get_query_payload=True)
    (broken,) = (one for one in plan if one["ra"] > 100)
    servers.alerce.faults[f"ra={broken['ra']}"] = Response(400, {"message": "broken"})
    with pytest.raises(IncompleteResultError) as caught:
        Alerce.query_region(region, cache=False)
    assert len(caught.value.failures) == 1
    assert 0 <= len(caught.value.result) < np.count_nonzero(cut(table, region))
