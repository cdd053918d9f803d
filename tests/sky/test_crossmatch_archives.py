"""Cross-matches with archives, through astroquery's services, on a test server on loopback.

Each row knows its position, all positions are sent in ICRS, what is cut is announced, and the
separation is that at the epoch asked for. The answers that astroquery ships for its own tests are
read from the installed package.
"""

import functools
import warnings
from pathlib import Path

import astropy.units as u
import astroquery
import numpy as np
import pytest
from archives import NOT_A_TABLE, Archives, read, stars, to_loopback, written
from astropy.coordinates import SkyCoord
from astropy.io import votable
from astropy.table import Table
from astropy.time import Time
from astroquery.gaia import GaiaClass
from astroquery.ipac.irsa import Irsa
from astroquery.ipac.ned import NedClass
from astroquery.simbad import SimbadClass
from astroquery.vizier import VizierClass
from astroquery.xmatch import XMatch
from astroquery.xmatch import conf as xmatch_conf

from atlasquery import crossmatch
from atlasquery.exceptions import (
    IncompleteResultError,
    InputWarning,
    InvalidQueryError,
    LargeQueryWarning,
    MaxResultsWarning,
    NoResultsWarning,
    NotFoundError,
    RemoteServiceError,
    TableParseError,
    TimeoutError,
)
from atlasquery.service.tap import TapSession
from atlasquery.sky import conf, remote_catalogues

# astroquery does not close its connections to Gaia; astropy warns where there is no distance.
pytestmark = [
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:.*distance overridden"),
]
SHIPPED = Path(astroquery.__file__).parent
HERE = SkyCoord([150, 150.002, 10], [2, 2.001, -50], unit="deg")
ICRS_NUMBERS = 0.001 / 3600


def shipped(name: str) -> Table:
    """Return a table that astroquery ships for its tests."""
    file = votable.parse(str(SHIPPED / name), verify="ignore")
    return file.get_first_table().to_table(use_names_over_ids=True)


@pytest.fixture
def archives():
    server = Archives()
    server.catalogue = stars()
    yield server
    server.close()


@pytest.fixture
def gaia(archives):
    return GaiaClass(
        gaia_tap_server=f"{archives.url}/", gaia_data_server=f"{archives.url}/",
        show_server_messages=False,
    )  # fmt: skip


@pytest.fixture
def simbad(archives):
    return to_loopback(SimbadClass(), archives)


@pytest.fixture
def ned(archives):
    return to_loopback(NedClass(), archives)


def expected(catalogue, positions, arcsec):
    """Return (position, row) of all that is within a radius."""
    right = SkyCoord(catalogue["ra"], catalogue["dec"])
    separation = positions[:, None].separation(right[None, :]).arcsec
    return {tuple(map(int, pair)) for pair in np.argwhere(separation <= arcsec)}


def pairs(found, catalogue):
    row = {int(n): i for i, n in enumerate(catalogue["source_id"])}
    return {(int(q), row[int(s)]) for q, s in found["query_index", "source_id"].iterrows()}


def test_gaia_rows_know_their_position(archives, gaia):
    found = crossmatch(HERE, gaia, 20 * u.arcsec)
    assert pairs(found, archives.catalogue) == expected(archives.catalogue, HERE, 20)
    assert found["source_id"].dtype == np.int64
    assert found["pmra"].unit == u.mas / u.yr
    assert (found["separation"].unit, found.meta["service"]) == (u.arcsec, "the Gaia archive")
    rows = SkyCoord(found["ra"], found["dec"])
    np.testing.assert_allclose(
        found["separation"], HERE[found["query_index"]].separation(rows).arcsec, atol=1e-9
    )
    assert np.array_equal(
        found["n_within"], np.bincount(found["query_index"])[found["query_index"]]
    )
    masked = found["source_id"] == archives.catalogue["source_id"][5]
    assert np.array_equal(np.ma.getmaskarray(found["pmra"]), masked)


def test_gaia_is_sent_plain_icrs_numbers(archives, gaia):
    crossmatch(HERE.galactic, gaia, "20 arcsec")
    (sent,) = [request for request in archives.requests if request["files"]]
    upload = read(sent["files"]["t"])
    assert (upload.colnames, upload["idx"].dtype) == (["idx", "ra", "dec"], np.int64)
    np.testing.assert_allclose(upload["ra"], HERE.ra.deg, atol=ICRS_NUMBERS)
    np.testing.assert_allclose(upload["dec"], HERE.dec.deg, atol=ICRS_NUMBERS)
    assert upload["idx"].tolist() == [0, 1, 2]
    assert sent["UPLOAD"] == "t,param:t"
    assert (
        "JOIN gaiadr3.gaia_source AS c ON 1 = CONTAINS(POINT(c.ra, c.dec), CIRCLE(" in sent["QUERY"]
    )


def test_the_real_columns_of_gaia(archives, gaia):
    archives.catalogue = shipped("gaia/tests/data/1710099405832VAL-result.vot")
    places = SkyCoord(archives.catalogue["ra"], archives.catalogue["dec"])
    found = crossmatch(places[::-1], gaia, "1 arcsec", epoch=Time("J2016.0", scale="tcb"))
    assert found["source_id"].tolist() == [5348723816842275584, 4583627001381815936]
    assert found["separation"].max() < 1e-6
    assert found["propagated"].all()
    assert found["phot_g_mean_mag"].unit == u.mag
    assert len(found.colnames) == len(archives.catalogue.colnames) + 7


def test_a_fast_star_is_found_where_it_is_at_the_epoch(archives, gaia):
    when = Time("J2026.0", scale="tcb")
    star = archives.catalogue[:1]
    centre = SkyCoord(
        star["ra"], star["dec"], pm_ra_cosdec=star["pmra"], pm_dec=star["pmdec"],
        obstime=Time(2016.0, format="jyear", scale="tcb"),
    ).apply_space_motion(new_obstime=when)  # fmt: skip
    found = crossmatch(SkyCoord(centre.ra, centre.dec), gaia, "1 arcsec", epoch=when)
    assert found["source_id"][0] == star["source_id"][0]
    assert found["separation"][0] < 0.001
    assert found["propagated"][0]
    assert found.meta["epoch"] == "J2026.000 (TCB)"
    with pytest.warns(NoResultsWarning):
        assert len(crossmatch(SkyCoord(centre.ra, centre.dec), gaia, "1 arcsec")) == 0
    # Each star is compared where it is then: the result is that of a local catalogue.
    found = crossmatch(HERE, gaia, "20 arcsec", epoch=when)
    local = crossmatch(HERE, archives.catalogue, "20 arcsec", epoch=when)
    assert found["source_id"].tolist() == local["source_id"].tolist()
    np.testing.assert_allclose(found["separation"], local["separation"], atol=1e-9)
    assert not found["propagated"][found["source_id"] == archives.catalogue["source_id"][5]].any()


def test_gaia_at_the_epoch_of_each_position(archives, gaia):
    when = Time(["J2000", "J2026", "J2010"], scale="tcb")
    found = crossmatch(HERE, gaia, "20 arcsec", epoch=when)
    local = crossmatch(HERE, archives.catalogue, "20 arcsec", epoch=when)
    assert found["query_index"].tolist() == local["query_index"].tolist()
    assert found["source_id"].tolist() == local["source_id"].tolist()
    np.testing.assert_allclose(found["separation"], local["separation"], atol=1e-9)
    assert found.meta["epoch"] == "J2000.000 to J2026.000 (TCB)"


def test_rows_that_gaia_cuts_are_asked_for_again(archives, gaia):
    many = HERE[[0, 1] * 10]
    archives.limit = 200
    found = crossmatch(many, gaia, "60 arcsec")
    assert pairs(found, archives.catalogue) == expected(archives.catalogue, many, 60)
    assert len(archives.jobs) > 1
    archives.limit = 7
    with pytest.warns(MaxResultsWarning, match="cut the rows near position 0 after 7"):
        found = crossmatch(many[:1], gaia, "60 arcsec")
    assert len(found) == 7


def test_a_job_of_gaia_that_fails_or_stalls(archives, gaia, monkeypatch):
    archives.phases = ["QUEUED", "EXECUTING", "ERROR"]
    monkeypatch.setattr(remote_catalogues, "POLL", 0.01)
    with pytest.raises(RemoteServiceError, match="Too hot") as caught:
        crossmatch(HERE, gaia, "20 arcsec")
    assert caught.value.service == "the Gaia archive"
    archives.phases = ["EXECUTING"] * 10000
    with conf.set_temp("timeout", 2.0), pytest.raises(TimeoutError, match=r"within 2 s"):
        crossmatch(HERE, gaia, "20 arcsec")


@pytest.mark.parametrize("status", [500, 200])
def test_pages_instead_of_answers_are_typed(archives, gaia, simbad, ned, status):
    vizier = to_loopback(VizierClass(catalog="II/246/out"), archives)
    archives.fault = lambda *sent: (status, NOT_A_TABLE)
    for service in (gaia, simbad, ned, vizier):
        with pytest.raises((RemoteServiceError, TableParseError)) as caught:
            crossmatch(HERE[:1], service, "20 arcsec")
        assert caught.value.service
        if status == 500 and service is not gaia:
            assert caught.value.status == 500
            assert "Maintenance" in caught.value.reason or service is simbad


@pytest.mark.parametrize("cut_at", [0.3, 0.7, 0.99])
def test_a_response_that_breaks_off_is_an_error(archives, gaia, simbad, ned, cut_at):
    vizier = to_loopback(VizierClass(catalog="J/x", row_limit=-1), archives)
    archives.cut_at = cut_at
    for service in (gaia, simbad, ned, vizier):
        with pytest.raises((RemoteServiceError, TableParseError)):
            crossmatch(HERE, service, "60 arcsec")
    with (
        xmatch_conf.set_temp("url", f"{archives.url}/xmatch/api/v1/sync"),
        pytest.raises((RemoteServiceError, TableParseError)),
    ):
        crossmatch(HERE, "xmatch:II/246/out", "60 arcsec")


def test_rows_for_other_positions_are_an_error(archives, simbad):
    archives.catalogue = archives.catalogue[:3]

    def wrong(path, fields, files):
        if "QUERY" in fields:
            table = archives.catalogue.copy()
            table.add_column(np.array([0, 1, 9]), index=0, name="idx")
            return 200, written(table)
        return None

    archives.fault = wrong
    with pytest.raises(TableParseError, match="positions it was not asked"):
        crossmatch(HERE, simbad, "60 arcsec")


def test_an_archive_that_cannot_be_reached(archives, gaia, simbad, ned):
    archives.close()
    for service in (gaia, simbad, ned):
        with pytest.raises(RemoteServiceError):
            crossmatch(HERE, service, "20 arcsec")


def test_simbad_joins_an_upload_for_any_number_of_positions(archives, simbad):
    many = HERE[np.arange(301) % 3]
    found = crossmatch(many, simbad, "20 arcsec")
    assert pairs(found, archives.catalogue) == expected(archives.catalogue, many, 20)
    assert "J2000.0" in found.meta["catalogue_epoch"]
    (sent,) = [request for request in archives.requests if "QUERY" in request]
    assert sent["MAXREC"] == "2000000"
    assert " FROM TAP_UPLOAD.t AS t JOIN basic AS c " in sent["QUERY"]
    np.testing.assert_allclose(read(sent["files"]["t"])["ra"][:3], HERE.ra.deg, atol=ICRS_NUMBERS)
    archives.limit = 5
    with pytest.warns(MaxResultsWarning):
        assert len(crossmatch(HERE[:1], simbad, "60 arcsec")) == 5


def test_simbad_by_name_has_a_time_limit():
    service = remote_catalogues.find_catalogue("simbad")
    assert isinstance(service.simbad._session, TapSession)
    assert remote_catalogues.find_catalogue("Gaia").gaia is not None
    assert remote_catalogues.find_catalogue("ned").name == "ned"


def test_simbad_at_an_epoch(archives, simbad):
    archives.catalogue.remove_column("ref_epoch")
    when = Time("J2010.0", scale="tcb")
    found = crossmatch(HERE, simbad, "20 arcsec", epoch=when)
    local = archives.catalogue.copy()
    local["ref_epoch"] = 2000.0
    right = crossmatch(HERE, local, "20 arcsec", epoch=when)
    assert found["source_id"].tolist() == right["source_id"].tolist()


def test_a_chunk_that_fails_keeps_the_rows_before(archives, simbad):
    def second(path, fields, files):
        sent = [r for r in archives.requests if "QUERY" in r]
        return (503, NOT_A_TABLE) if len(sent) > 1 else None

    archives.fault = second
    simbad.hardlimit  # noqa: B018 - reads the description of the service
    with conf.set_temp("upload_rows", 1), pytest.raises(IncompleteResultError) as caught:
        crossmatch(HERE, simbad, "20 arcsec")
    assert pairs(caught.value.result, archives.catalogue) == expected(
        archives.catalogue, HERE[:1], 20
    )
    assert [index.tolist() for index, _ in caught.value.failures] == [[1], [2]]
    assert caught.value.status == 503


def test_ned_is_sent_icrs_numbers_one_position_after_the_other(archives, ned):
    found = crossmatch(HERE, ned, "20 arcsec")
    assert pairs(found, archives.catalogue) == expected(archives.catalogue, HERE, 20)
    sent = [request for request in archives.requests if request["path"].endswith("objsearch")]
    np.testing.assert_allclose(
        [float(request["lon"]) * 15 for request in sent], HERE.ra.deg, atol=ICRS_NUMBERS
    )
    np.testing.assert_allclose(
        [float(request["lat"]) for request in sent], HERE.dec.deg, atol=ICRS_NUMBERS
    )
    # Nothing is answered from a cache.
    crossmatch(HERE, ned, "20 arcsec")
    assert len(archives.requests) == 2 * len(sent)


def test_the_real_answer_of_ned(archives, ned):
    archives.catalogue = shipped("ipac/ned/tests/data/query_near_position.xml")
    centre = SkyCoord(83.822083, -5.391111, unit="deg")
    found = crossmatch(centre, ned, "20 arcsec")
    ned_distance = np.asarray(found["Distance (arcmin)"], float) * 60
    # NED gives its distance with three decimals of an arcminute.
    np.testing.assert_allclose(found["separation"], ned_distance, atol=0.1)
    inside = archives.catalogue["Distance (arcmin)"] * 60 < 19.9
    assert np.sum(inside) <= len(found) <= np.sum(inside) + 3
    assert "Object Name" in found.colnames


def test_nothing_of_ned_is_no_error(archives, ned):
    with pytest.warns(NoResultsWarning):
        assert len(crossmatch(HERE[2], ned, "5 arcsec")) == 0


def test_an_error_of_ned_has_its_words(archives, ned):
    error = (SHIPPED / "ipac/ned/tests/data/error.xml").read_bytes()
    # The same answer with another message; "No note found." means nothing.
    archives.fault = lambda *sent: (200, error.replace(b" No note found.", b"Unknown option"))
    with pytest.raises(RemoteServiceError, match="NED failed: Unknown option") as caught:
        crossmatch(HERE[2], ned, "5 arcsec")
    assert (caught.value.service, caught.value.reason) == ("NED", "Unknown option")
    archives.fault = lambda *sent: (200, error)
    with pytest.warns(NoResultsWarning):
        assert len(crossmatch(HERE[2], ned, "5 arcsec")) == 0


def test_vizier_by_name_joins_an_upload(archives):
    archives.catalogue.rename_columns(["ra", "dec", "pmdec"], ["RA_ICRS", "DE_ICRS", "pmDE"])
    archives.catalogue.rename_column("pmra", "pmRA")
    archives.catalogue.remove_column("ref_epoch")
    archives.columns = Table({
        "column_name": ["RA_ICRS", "DE_ICRS", "pmRA", "pmDE", "source_id"],
        "description": ["RA (ICRS) at Ep=2016.0", "Dec at Ep=2016.0", "x", "x", "x"],
        "unit": ["deg", "deg", "mas/yr", "mas/yr", ""],
        "ucd": ["pos.eq.ra;meta.main", "pos.eq.dec;meta.main", "pos.pm", "pos.pm", "meta.id"],
    })  # fmt: skip
    where = f"{archives.url}/TAPVizieR/tap"
    when = Time("J2026.0", scale="tcb")
    with conf.set_temp("vizier_tap_server", where):
        found = crossmatch(HERE, "vizier:I/355/gaiadr3", "20 arcsec")
        later = crossmatch(HERE, "vizier:I/355/gaiadr3", "20 arcsec", epoch=when)
    plain = archives.catalogue.copy()
    plain.rename_columns(["RA_ICRS", "DE_ICRS"], ["ra", "dec"])
    assert pairs(found, plain) == expected(plain, HERE, 20)
    plain["ref_epoch"] = 2016.0
    right = crossmatch(HERE, plain, "20 arcsec", epoch=when)
    assert later["source_id"].tolist() == right["source_id"].tolist()
    queries = [request["QUERY"] for request in archives.requests]
    assert "table_name IN ('I/355/gaiadr3', '\"I/355/gaiadr3\"')" in queries[0]
    assert (
        'JOIN "I/355/gaiadr3" AS c ON 1 = CONTAINS(POINT(\'ICRS\', c."RA_ICRS", c."DE_ICRS")'
        in queries[1]
    )
    assert (
        "WHERE" not in queries[1]
        and 'SQRT(c."pmRA" * c."pmRA" + c."pmDE" * c."pmDE")' in queries[3]
    )


def test_what_vizier_does_not_have(archives):
    archives.columns = Table(
        {"column_name": ["x"], "description": ["y"], "unit": [""], "ucd": [""]}
    )
    with conf.set_temp("vizier_tap_server", f"{archives.url}/tap"):
        with pytest.raises(InvalidQueryError, match="no columns with right ascension"):
            crossmatch(HERE, "vizier:I/1/x", "20 arcsec")
        archives.columns["column_name"] = ["RAJ2000"]
        archives.columns = archives.columns[[0] * 4]
        archives.columns["column_name"] = ["RAJ2000", "DEJ2000", "pmRA", "pmDE"]
        with pytest.raises(InvalidQueryError, match="does not describe the epoch"):
            crossmatch(HERE, "vizier:I/1/x", "20 arcsec", epoch="J2026")
        archives.columns = archives.columns[:0]
        with pytest.raises(NotFoundError, match="no table 'I/1/x'"):
            crossmatch(HERE, "vizier:I/1/x", "20 arcsec")
    assert all(not request["files"] for request in archives.requests)


def test_a_query_of_vizier_with_columns_of_the_user(archives):
    vizier = to_loopback(VizierClass(catalog="J/x", row_limit=-1), archives)
    found = crossmatch(HERE.fk5, vizier, "20 arcsec")
    assert pairs(found, archives.catalogue) == expected(archives.catalogue, HERE, 20)
    (sent,) = archives.requests
    # Eight decimals of ICRS, not the numbers of FK5.
    for position in ("150.00000000+2.00000000", "150.00200000+2.00100000"):
        assert f"\n{position}\n" in sent["body"]
    limited = to_loopback(VizierClass(catalog="J/x", row_limit=5), archives)
    with pytest.warns(MaxResultsWarning, match="cut the rows near position 0 after 5"):
        crossmatch(HERE[:1], limited, "60 arcsec")
    with pytest.warns(NoResultsWarning):
        assert len(crossmatch(HERE[2], vizier, "20 arcsec")) == 0


def test_the_real_columns_of_vizier(archives):
    # Sexagesimal strings beside degrees.
    archives.catalogue = shipped("vizier/tests/data/afgl2591_iram.xml")
    centre = SkyCoord("20h29m24.87s +40d11m19.8s")
    real = SkyCoord(archives.catalogue["_RAJ2000"], archives.catalogue["_DEJ2000"])
    archives.positions = lambda: real
    vizier = to_loopback(VizierClass(catalog="B/iram/pdbi", row_limit=-1), archives)
    found = crossmatch(centre, vizier, "1 arcsec")
    assert len(found) == np.sum(centre.separation(real) < 1 * u.arcsec) > 3
    assert found["separation"].max() < 1


def test_xmatch_of_the_real_2mass(archives):
    archives.catalogue = Table.read(SHIPPED / "xmatch/tests/data/query_res.csv")[
        "2MASS", "RAJ2000", "DEJ2000", "Jmag"
    ]
    archives.tables = (SHIPPED / "xmatch/tests/data/tables.csv").read_text().splitlines()
    sent = Table.read(SHIPPED / "xmatch/tests/data/posList.csv")
    real = Table.read(SHIPPED / "xmatch/tests/data/query_res.csv")
    with xmatch_conf.set_temp("url", f"{archives.url}/xmatch/api/v1/sync"):
        found = crossmatch(sent, "xmatch:II/246/out", "5 arcsec")
    assert sorted(found["2MASS"]) == sorted(real["2MASS"])
    by_name = {name: n for n, name in zip(real["my_id"], real["2MASS"], strict=True)}
    assert [by_name[name] for name in found["2MASS"]] == sent["my_id"][
        found["query_index"]
    ].tolist()
    distance = dict(zip(real["2MASS"], real["angDist"], strict=True))
    np.testing.assert_allclose(
        found["separation"], [distance[name] for name in found["2MASS"]], atol=0.003
    )
    match = archives.requests[-1]
    assert match["files"]["cat1"].splitlines()[0] == b"query_idx,query_ra,query_dec"
    assert (match["cat2"], match["colRA1"]) == ("vizier:II/246/out", "query_ra")


def test_xmatch_asks_again_for_stars_that_move(archives):
    archives.tables.append("I/355/gaiadr3")
    with (
        xmatch_conf.set_temp("url", f"{archives.url}/xmatch/api/v1/sync"),
        pytest.warns(InputWarning, match="compares the positions of the year 2000"),
    ):
        found = crossmatch(HERE, "xmatch:vizier:I/355/gaiadr3", "20 arcsec")
    assert pairs(found, archives.catalogue) == expected(archives.catalogue, HERE, 20)
    radii = [float(r["distMaxArcsec"]) for r in archives.requests if "distMaxArcsec" in r]
    assert radii[0] < 20.2 and 36 < radii[1] < 40


def test_what_xmatch_refuses(archives):
    with xmatch_conf.set_temp("url", f"{archives.url}/xmatch/api/v1/sync"):
        with pytest.raises(InvalidQueryError, match=r"up to 179\.9 arcsec"):
            crossmatch(HERE, "xmatch:simbad", "181 arcsec")
        assert archives.requests == []
        with pytest.raises(InvalidQueryError, match="is not a table of CDS XMatch"):
            crossmatch(HERE, "xmatch:II/246/oout", "1 arcsec")
        # A page instead of the list of tables, which astroquery would cache.
        archives.fault = lambda *sent: (503, NOT_A_TABLE)
        with pytest.raises(TableParseError, match="did not send its list of tables"):
            crossmatch(HERE, "xmatch:simbad", "1 arcsec")
        archives.fault = lambda path, *sent: (403, b"") if path.endswith("sync") else None
        with pytest.raises(RemoteServiceError, match="banned"):
            crossmatch(HERE, "xmatch:simbad", "1 arcsec")
        refused = (
            b'<VOTABLE version="1.4"><RESOURCE><INFO ID="QUERY_STATUS" name="QUERY_STATUS" '
            b'value="ERROR">too many rows</INFO></RESOURCE></VOTABLE>'
        )
        archives.fault = lambda path, *sent: (400, refused) if path.endswith("sync") else None
        with pytest.raises(RemoteServiceError, match="too many rows"):
            crossmatch(HERE, "xmatch:simbad", "1 arcsec")


def test_any_service_and_method(archives):
    asked = []

    class Survey:
        name = "a survey"

        def query_region(self, coordinates, *, radius, catalog="x"):
            asked.append((coordinates, radius, catalog))
            near = coordinates.separation(
                SkyCoord(archives.catalogue["ra"], archives.catalogue["dec"])
            )
            rows = archives.catalogue[near < radius]
            return rows if len(rows) else None

    for service in (Survey, Survey(), functools.partial(Survey().query_region, catalog="x")):
        found = crossmatch(HERE, service, "20 arcsec")
        assert pairs(found, archives.catalogue) == expected(archives.catalogue, HERE, 20)
        assert found.meta["service"] == "a survey"
    assert len(asked) == 9 and asked[0][0].frame.name == "icrs"
    with pytest.warns(LargeQueryWarning, match="101 times"):
        crossmatch(HERE[[0] * 101], Survey(), "20 arcsec")


def test_the_limit_of_a_service_is_warned_of(archives):
    class Limited:
        ROW_LIMIT = 5

        def query_region(self, coordinates, *, radius):
            return archives.catalogue[:5]

    with pytest.warns(MaxResultsWarning, match="the service cut the rows"):
        crossmatch(HERE[0], Limited(), "60 arcsec")


@pytest.mark.parametrize(
    ("catalogue", "message"),
    [
        ("gia", "did you mean 'gaia'"),
        ("vizier", "name one table of VizieR"),
        ("vizier:I/355; drop", "name one table of VizieR"),
        ("II/246/out", "write 'vizier:II/246/out'"),
        (XMatch, "'xmatch:simbad'"),
        (VizierClass(), "needs one table"),
        (lambda coordinates, radius, survey: None, "needs survey too"),
        (42, "catalogue=42 should be a SkyCoord"),
    ],
)
def test_catalogues_that_are_refused(catalogue, message):
    with pytest.raises(InvalidQueryError, match=message):
        crossmatch(HERE, catalogue, "1 arcsec")


def test_irsa_is_not_refused():
    # Its query_region needs no other argument by its signature.
    assert remote_catalogues.find_catalogue(Irsa).name


def test_no_positions_ask_nothing(archives, gaia):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = crossmatch(SkyCoord([np.nan], [1.0], unit="deg"), gaia, "1 arcsec")
    assert (len(found), archives.requests) == (0, [])
    assert {w.category for w in caught} == {InputWarning, NoResultsWarning}
    assert found.meta["without_position"] == [0]
