"""Results: fetched once, kept, read; what is not there, and why."""

import gzip

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.timeseries import TimeSeries

from atlasquery import AtlasForced
from atlasquery.exceptions import (
    IncompleteResultError,
    InputWarning,
    InvalidQueryError,
    NoResultsWarning,
    NotFoundError,
    RemoteServiceError,
    TableParseError,
)
from atlasquery.forcedphot import AtlasForcedClass, conf
from atlasquery.forcedphot.results import result_key

WINDOW = {"start": 59000, "end": 59010}


def files(double):
    return [r for r in double.requests if r.path.endswith("data.txt")]


def test_a_position_in_one_call(forced, double):
    where = SkyCoord(161.2, 53.7, unit="deg")
    lc = forced.query_position(where, **WINDOW, comment="SN 2026x", names="SN 2026x")
    assert isinstance(lc, TimeSeries) and len(lc) > 10
    assert ((lc.time.mjd >= 59000) & (lc.time.mjd <= 59010)).all()
    meta = lc.meta
    assert meta["object"] == "SN 2026x" and meta["task_id"] == 1
    assert meta["coordinates"].separation(where) < 1e-6 * u.arcsec
    assert (meta["start"], meta["end"], meta["reduced"]) == (59000.0, 59010.0, False)
    assert meta["service"] == "ATLAS Forced Photometry Server"
    assert meta["server"] == double.url and meta["history"] == []
    assert meta["comment"] == "SN 2026x" and meta["time_reference"] == "start"
    assert meta["flux_kind"] == "difference" and meta["time_reference_position"] == "topocenter"
    assert double.users["alice"].token not in str(meta)
    # An array gives a list, of one too.
    assert isinstance(forced.query_position(where.reshape(1), **WINDOW), list)


def test_results_need_no_login_and_get_none(forced, double):
    forced.query_position(SkyCoord([1, 2], [3, 4], unit="deg"), **WINDOW)
    assert len(files(double)) == 2
    assert not any("authorization" in r.headers for r in files(double))
    assert all(r.headers["accept"] == "application/json" for r in double.requests)


def test_each_result_is_fetched_once(forced, make, double, clock, tmp_path):
    jobs = forced.wait(forced.submit(SkyCoord([1, 2], [3, 4], unit="deg"), **WINDOW))
    first = forced.fetch(jobs)
    stored = list((tmp_path / "answers" / "results").glob("*.answer"))
    assert len(stored) == 2
    assert {p.stat().st_mode & 0o777 for p in stored} == {0o600}
    assert (tmp_path / "answers" / "results").stat().st_mode & 0o777 == 0o700
    # After the server has forgotten it, for another user of the same disk, and with no cache.
    clock.sleep(40 * 86400)
    make("bob").clear_cache()
    again = make("bob").fetch(jobs)
    assert len(files(double)) == 2
    assert (again[1]["flux"] == first[1]["flux"]).all()
    # Nothing was deleted on the server.
    assert double.asked("DELETE") == []


def test_a_file_of_another_server_is_not_taken_for_ours(forced, make, double, tmp_path):
    forced.query_position(SkyCoord(1, 3, unit="deg"), **WINDOW)
    key = result_key(forced, forced.submit(SkyCoord(1, 3, unit="deg"))[0])
    elsewhere = AtlasForcedClass("http://127.0.0.1:9/forcedphot/")
    assert key != result_key(elsewhere, forced.submit(SkyCoord(1, 3, unit="deg"))[0])


def test_no_data_is_an_empty_light_curve_and_a_warning(forced, double):
    where = SkyCoord([10, 10], [-89.5, 20], unit="deg")
    jobs = forced.wait(forced.submit(where, **WINDOW))
    assert jobs["state"].tolist() == ["empty", "done"]
    assert jobs["message"][0] == "No data returned"
    with pytest.warns(NoResultsWarning, match=r"no data for 1 of 2 targets.*10.00000-89.50000"):
        empty, full = forced.fetch(jobs)
    assert len(empty) == 0 and len(full) > 0
    assert empty.colnames == full.colnames
    assert empty["flux"].unit == u.uJy and empty.meta["task_id"] == 1
    assert len(files(double)) == 1


def test_a_number_without_parentheses_is_named(forced, double):
    double.outcomes["5800"] = double.outcomes["(5801)"] = "nodata"
    jobs = forced.wait(forced.submit(mpc_names=["5800", "(5801)"], **WINDOW))
    with pytest.warns(NoResultsWarning, match=r"2 of 2 targets.*in parentheses: '\(5800\)'"):
        forced.fetch(jobs)
    with pytest.warns(NoResultsWarning, match=r"window: \(5801\)$"):
        forced.query_position(mpc_names="(5801)", **WINDOW)


def test_a_minor_planet(forced, double):
    lc = forced.query_position(mpc_names="(12267)", **WINDOW)
    assert lc.meta["mpc_name"] == "(12267)" and "coordinates" not in lc.meta
    assert np.ptp(lc["ra"].value) > 1


def test_reduced_and_motion_are_in_the_meta_data(forced, double):
    from astropy.time import Time

    where = SkyCoord(
        10 * u.deg, 20 * u.deg, pm_ra_cosdec=100 * u.mas / u.yr, pm_dec=-50 * u.mas / u.yr,
        obstime=Time("J2016.0"),
    )  # fmt: skip
    lc = forced.query_position(where, reduced=True, **WINDOW)
    assert lc.meta["reduced"] is True and lc.meta["flux_kind"] == "total"
    assert lc.meta["proper_motion"] == "100 -50 mas / yr" and lc.meta["epoch"] == 2016.0
    assert lc["flux"].value.mean() > 2000


@pytest.mark.parametrize("dialect", ["today", "2022", "2019"])
def test_files_of_other_years(forced, double, dialect):
    double.dialect = dialect
    lc = forced.query_position(SkyCoord(1, 3, unit="deg"), **WINDOW)
    assert ("PA_DEG" in lc.colnames) is (dialect == "2022")
    assert ("ZP" in lc.colnames) is (dialect == "2019")
    assert lc["limiting_mag"].mask.all() == (dialect == "2019")
    assert not lc["flux"].mask.any()


# What has no light curve.


def test_what_fails_costs_its_neighbours_nothing(forced, double):
    where = SkyCoord([1, 201.0, 2, 10], [3, -9.5, 4, -89.5], unit="deg")
    double.outcomes[2.0, 4.0] = "error"
    jobs = forced.wait(forced.submit(where, **WINDOW))
    with (
        pytest.warns(NoResultsWarning),
        pytest.raises(IncompleteResultError, match="2 of 4 targets have no light curve") as caught,
    ):
        forced.fetch(jobs)
    assert [len(lc) > 0 if lc is not None else None for lc in caught.value.result] == [
        True, None, None, False,
    ]  # fmt: skip
    (ragged_name, ragged), (failed_name, failed) = caught.value.failures
    assert isinstance(ragged, TableParseError)
    assert "line 2 of the result of task 2 (201.00000-9.50000) has 25 values" in str(ragged)
    assert "is failed: ssh: the reduction failed" in str(failed)
    assert (ragged_name, failed_name) == ("201.00000-9.50000", "2.00000+4.00000")
    with pytest.warns(InputWarning, match="2 of 4"), pytest.warns(NoResultsWarning):
        assert len(forced.fetch(jobs, on_error="warn")) == 4


def test_a_single_failure_is_its_own_error(forced):
    with pytest.raises(TableParseError, match="line 2 of the result of task 1"):
        forced.query_position(SkyCoord(201.0, -9.5, unit="deg"), **WINDOW)
    with pytest.raises(InvalidQueryError, match="on_error='ignore' is not known"):
        forced.fetch(forced.submit(mpc_names="(1)"), on_error="ignore")


def test_what_is_not_finished_is_not_fetched(forced, double):
    jobs = forced.submit(SkyCoord([1, 2], [3, 4], unit="deg"))
    with pytest.warns(InputWarning, match=r"\(task 1\) is queued: waits at the server"):
        assert forced.fetch(jobs, on_error="warn") == [None, None]
    assert files(double) == []


def test_a_result_that_has_expired(forced, double, clock, tmp_path):
    jobs = forced.wait(forced.submit(SkyCoord(1, 3, unit="deg"), save=tmp_path / "jobs.json"))
    clock.sleep(32 * 86400)
    with pytest.raises(
        NotFoundError, match=r"available for 31 days, and it ended on 2026-"
    ) as caught:
        forced.fetch(jobs)
    assert caught.value.status == 404
    assert jobs.counts() == {"expired": 1}
    with pytest.raises(NotFoundError, match="is expired"):
        forced.fetch(jobs)


def test_a_result_that_is_gone_at_a_time_that_is_none(forced, double, clock):
    jobs = forced.wait(forced.submit(SkyCoord(1, 3, unit="deg")))
    jobs[0].ended = "noon"
    clock.sleep(32 * 86400)
    with pytest.raises(TableParseError, match="'noon' is not the time of a task"):
        forced.fetch(jobs)


def test_a_task_that_is_gone_for_a_month(forced, double, clock):
    jobs = forced.submit(SkyCoord([1, 2], [3, 4], unit="deg"))
    forced.wait(jobs)
    for job in jobs:
        job.state = "running"
    clock.sleep(32 * 86400)
    for task in list(double.queue.tasks.values()):
        double.queue.remove(task, clock.now())
    assert forced.wait(jobs).counts() == {"expired": 2}
    assert jobs[0].message.startswith("tasks are available for 31 days, and it ended on 2026-")


def test_a_result_that_was_deleted_is_a_web_page(forced, double, clock):
    jobs = forced.wait(forced.submit(SkyCoord(1, 3, unit="deg")))
    double.queue.remove(double.queue.tasks[1], clock.now())
    with pytest.raises(NotFoundError, match="no longer has the result of task 1") as caught:
        forced.fetch(jobs)
    assert caught.value.reason == "the task was deleted at the server"
    assert jobs.counts() == {"deleted": 1}
    assert "HTML" not in jobs["message"][0]


def test_a_page_in_place_of_a_result_is_not_kept(forced, double):
    jobs = forced.wait(forced.submit(SkyCoord(1, 3, unit="deg"), **WINDOW))
    double.fault = lambda method, path: 200 if path.endswith("data.txt") else None
    with pytest.raises(RemoteServiceError, match=r"instead of text/plain.*Something else"):
        forced.fetch(jobs)
    double.fault = lambda method, path: None
    assert len(forced.fetch(jobs)[0]) > 0


def test_control_curves(forced, double):
    centre = SkyCoord(161.2, 53.7, unit="deg")
    curves = forced.get_control_curves(centre, n=8, radius=17 * u.arcsec, **WINDOW)
    assert len(curves) == 8 and len(double.asked("POST")) == 1
    where = SkyCoord([lc.meta["coordinates"] for lc in curves])
    assert np.allclose(centre.separation(where).arcsec, 17)
    angles = [lc.meta["position_angle"] for lc in curves]
    assert angles == [0, 45, 90, 135, 180, 225, 270, 315]
    assert np.allclose(centre.position_angle(where).deg % 360, angles, atol=1e-6)
    assert [lc.meta["control"] for lc in curves] == list(range(8))
    for bad in ({"n": 0}, {"n": 2.5}, {"radius": 17}):
        with pytest.raises(InvalidQueryError):
            forced.get_control_curves(centre, **bad)
    with pytest.raises(InvalidQueryError, match="2 positions"):
        forced.get_control_curves(SkyCoord([1, 2], [3, 4], unit="deg"))


def test_it_is_imported_on_first_use():
    import atlasquery

    assert AtlasForced is atlasquery.forcedphot.AtlasForced
    assert {"AtlasForced", "ForcedJobs"} <= set(dir(atlasquery))
    assert AtlasForced.server == "https://fallingstar-data.com/forcedphot/"


def test_a_page_of_a_proxy_is_not_the_end_of_a_task(forced, double):
    jobs = forced.wait(forced.submit(SkyCoord(1, 3, unit="deg"), **WINDOW))
    double.fault = lambda method, path: 404 if path.endswith("data.txt") else None
    with pytest.raises(RemoteServiceError, match="404"):
        forced.fetch(jobs)
    assert jobs.counts() == {"done": 1}
    double.fault = lambda method, path: None
    assert len(forced.fetch(jobs)[0]) > 0


@pytest.mark.parametrize("wrong", [{"timeout": "soon"}, {"on_error": "ignore"}])
def test_what_is_wrong_is_refused_before_anything_is_submitted(forced, double, wrong):
    with pytest.raises(InvalidQueryError, match=next(iter(wrong))):
        forced.query_position(SkyCoord(1, 3, unit="deg"), **WINDOW, **wrong)
    assert double.queue.tasks == {}


def test_jobs_are_not_lost_with_ctrl_c(forced, double, monkeypatch):
    def interrupted(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("atlasquery.forcedphot.positions.fetch", interrupted)
    with pytest.raises(KeyboardInterrupt) as caught:
        forced.query_position(SkyCoord(1, 3, unit="deg"), **WINDOW)
    assert caught.value.jobs.counts() == {"done": 1}


def test_a_packed_result_has_the_limit_of_answers(forced, double):
    """A small file may be a gigantic one when it is unpacked."""
    jobs = forced.wait(forced.submit(SkyCoord(1.0, 10.0, unit="deg"), start=59000))
    plain = double._text
    double._content = lambda task, kind: gzip.compress(plain(task).encode() + bytes(5_000_000))
    with (
        conf.set_temp("max_answer_bytes", 1_000_000),
        pytest.raises(TableParseError, match="max_answer_bytes"),
    ):
        forced.fetch(jobs)
    double._content = lambda task, kind: gzip.compress(plain(task).encode())
    assert len(forced.fetch(jobs)[0])
