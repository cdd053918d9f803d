"""What is sent, in how many requests, what is refused before, and what the server refuses."""

import json

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import FK5, ICRS, Galactic, SkyCoord
from astropy.time import Time

from atlasquery.exceptions import (
    IncompleteResultError,
    InputWarning,
    InvalidQueryError,
    LoginError,
    QuotaError,
    RemoteServiceError,
)
from atlasquery.forcedphot import AtlasForcedClass, ForcedJobs, conf
from atlasquery.forcedphot.targets import digits


def positions(n):
    return SkyCoord(np.linspace(0.1, 359.9, n), np.linspace(-60, 60, n), unit="deg")


def fields(double, n=-1):
    return list(double.queue.tasks.values())[n].fields


def test_250_positions_in_three_requests(forced, double):
    where = positions(250)
    jobs = forced.submit(where, start=59000, end=59010)
    assert [(r.method, r.path, r.status) for r in double.requests] == [
        ("POST", "/forcedphot/queue/", 201)
    ] * 3
    tasks = list(double.queue.tasks.values())
    # To the last digit, and in the order given.
    assert [t.fields["ra"] for t in tasks] == where.ra.deg.tolist()
    assert [t.fields["dec"] for t in tasks] == where.dec.deg.tolist()
    assert jobs["task_id"].tolist() == [t.id for t in tasks]
    assert jobs.counts() == {"queued": 250}
    assert len(set(jobs["tag"].tolist())) == 3
    assert len(jobs) == 250
    assert repr(jobs) == "<ForcedJobs 250 tasks: 250 queued>"
    assert "<table" in jobs._repr_html_()


def test_bounds_and_mail_are_always_said(forced, double):
    forced.submit(SkyCoord(10, 20, unit="deg"))
    sent = fields(double)
    assert (sent["mjd_min"], sent["mjd_max"], sent["send_email"]) == (None, None, False)
    assert sent["use_reduced"] is False
    forced.submit(
        SkyCoord(10, 20, unit="deg"), start="2020-05-01", end=Time(59100.5, format="mjd"),
        reduced=True, comment="a host",
    )  # fmt: skip
    sent = fields(double)
    assert (sent["mjd_min"], sent["mjd_max"], sent["use_reduced"]) == (58970.0, 59100.5, True)
    tag, _, words = sent["comment"].partition(" ")
    assert tag.startswith("atlasquery:") and len(tag) == 27 and words == "a host"


@pytest.mark.parametrize("value", [1e-5, 0.1 + 0.2, 359.99999999999994, 123.456789012345678, 0.0])
def test_all_digits_are_sent(value):
    assert float(digits(value)) == value
    assert "e" not in digits(value)


def test_any_frame_and_shape(forced, double):
    icrs = SkyCoord([[10.0, 20.0], [30.0, 40.0]], [[1.0, 2.0], [3.0, 4.0]], unit="deg")
    forced.submit(icrs.galactic)
    assert np.allclose([t.fields["ra"] for t in double.queue.tasks.values()], [10, 20, 30, 40])
    forced.submit(icrs.transform_to(FK5(equinox="J1975")))
    forced.submit(ICRS(10 * u.deg, 1 * u.deg))
    forced.submit(Galactic(10 * u.deg, 1 * u.deg))
    forced.submit(SkyCoord(-1e-14, 1, unit="deg"))
    assert 0 <= fields(double)["ra"] < 360
    forced.submit("10h00m00s +02d12m00s")
    # Sexagesimal is read here, and sent in decimals, as the server would round it.
    assert np.allclose([fields(double)["ra"], fields(double)["dec"]], [150.0, 2.2], atol=1e-12)


def test_minor_planets_beside_positions(forced, double):
    jobs = forced.submit(SkyCoord(10, 20, unit="deg"), mpc_names=["(12267)", "K22W01O"])
    assert len(double.asked("POST")) == 1
    assert jobs["mpc_name"].tolist() == [None, "(12267)", "K22W01O"]
    assert jobs["target"].tolist() == ["10.00000+20.00000", "(12267)", "K22W01O"]
    assert [t.fields["mpc_name"] for t in double.queue.tasks.values()] == [
        None, "(12267)", "K22W01O",
    ]  # fmt: skip
    assert jobs["ra"].mask.tolist() == [False, True, True]
    assert np.isnan(jobs["ra"].data.data[1])


def test_proper_motions_are_sent_and_share_requests_only_with_their_like(forced, double):
    where = SkyCoord(
        [10, 20, 30, 40] * u.deg, [1, 2, 3, 4] * u.deg,
        pm_ra_cosdec=[100, 0, 100, -5] * u.mas / u.yr, pm_dec=[-50, 0, -50, 7] * u.mas / u.yr,
        obstime=Time("J2016.0"),
    )  # fmt: skip
    jobs = forced.submit(where, start=59000)
    assert len(double.asked("POST")) == 3
    by_id = [double.queue.tasks[i].fields for i in jobs["task_id"].tolist()]
    assert np.allclose([f["ra"] for f in by_id], [10, 20, 30, 40], rtol=0, atol=1e-12)
    assert [(f["propermotion_ra"], f["propermotion_dec"]) for f in by_id] == [
        (100, -50), (None, None), (100, -50), (-5, 7),
    ]  # fmt: skip
    assert [f["radec_epoch_year"] for f in by_id] == ["2016.0", None, "2016.0", "2016.0"]


def test_an_epoch_between_tenths_moves_the_position(forced, double):
    where = SkyCoord(
        10 * u.deg, 60 * u.deg, pm_ra_cosdec=10 * u.arcsec / u.yr, pm_dec=-4 * u.arcsec / u.yr,
        obstime=Time(2015.54, format="jyear"),
    )  # fmt: skip
    forced.submit(where)
    sent = fields(double)
    assert sent["radec_epoch_year"] == "2015.5"
    # 0.04 years back: 0.4 arcsec to the west, 0.16 to the north.
    assert np.isclose((sent["dec"] - 60) * 3600, 0.16, atol=1e-4)
    assert np.isclose((sent["ra"] - 10) * 3600 * np.cos(np.radians(60)), -0.4, atol=1e-4)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "give coordinates"),
        ({"coordinates": (400, 2)}, r"coordinates=\(400, 2\) should be a SkyCoord"),
        ({"coordinates": "400d +2d"}, "right ascension"),
        ({"coordinates": "25h00m00s +2d"}, "not a position|right ascension"),
        ({"coordinates": "10.5d +95d"}, "is no position|not a position"),
        ({"coordinates": "10 20 30"}, "is no position|not a position"),
        ({"coordinates": SkyCoord([], [], unit="deg")}, "coordinates is empty"),
        ({"coordinates": SkyCoord([1, np.nan], [1, 2], unit="deg")}, "not finite at index 1"),
        ({"mpc_names": "a;b"}, "mpc_names='a;b' should be"),
        ({"mpc_names": "O'Neil"}, "quotes"),
        ({"mpc_names": " "}, "mpc_names=' '"),
        ({"mpc_names": "x" * 301}, "up to 300"),
        ({"mpc_names": []}, "mpc_names is empty"),
        ({"mpc_names": "(1)", "start": 59000, "end": 58000}, "end=58000 is before start=59000"),
        ({"mpc_names": "(1)", "start": 59000, "end": 59000}, "should be after start"),
        ({"mpc_names": "(1)", "end": 0}, "should be an MJD above 0"),
        ({"mpc_names": "(1)", "start": "yesterday"}, "start='yesterday'"),
        ({"mpc_names": "(1)", "comment": "x" * 273}, "up to 272 characters"),
        ({"mpc_names": "(1)", "comment": "two\nlines"}, "one line"),
        ({"mpc_names": "(1)", "reduced": "no"}, "reduced='no'"),
        ({"mpc_names": "(1)", "names": ["a", "b"]}, "2 names for 1 targets"),
    ],
)
def test_refused_before_anything_is_sent(forced, double, given, words):
    with pytest.raises(InvalidQueryError, match=words):
        forced.submit(**given)
    assert double.requests == []


def test_velocities_of_other_kinds(forced, double):
    still = SkyCoord(10 * u.deg, 1 * u.deg, radial_velocity=20 * u.km / u.s)
    assert forced.submit(still).jobs[0].target.motion is None
    whole = SkyCoord(
        10 * u.deg, 1 * u.deg, distance=10 * u.pc, pm_ra_cosdec=5 * u.mas / u.yr,
        pm_dec=-7 * u.mas / u.yr, radial_velocity=20 * u.km / u.s, obstime=Time("J2015.5"),
    )  # fmt: skip
    for where in (whole, whole.galactic):
        motion = forced.submit(where).jobs[0].target.motion
        assert (round(motion.ra, 4), round(motion.dec, 4), motion.epoch) == (5, -7, 2015.5)
    flat = SkyCoord(10 * u.deg, 1 * u.deg, pm_ra_cosdec=5 * u.mas / u.yr,
                    pm_dec=-7 * u.mas / u.yr, obstime=Time("J2015.5"))  # fmt: skip
    motion = forced.submit(flat.galactic).jobs[0].target.motion
    assert (round(motion.ra, 4), round(motion.dec, 4)) == (5, -7)


def test_a_motion_without_a_time_is_refused(forced, double):
    where = SkyCoord(1 * u.deg, 2 * u.deg, pm_ra_cosdec=5 * u.mas / u.yr, pm_dec=0 * u.mas / u.yr)
    with pytest.raises(InvalidQueryError, match="no obstime"):
        forced.submit(where)
    with pytest.raises(TypeError, match="did you mean 'start'"):
        forced.submit(where, starts=1)
    assert double.requests == []


def test_the_longest_comment_that_is_taken(forced, double):
    forced.submit(mpc_names="(1)", comment="x" * 272)
    assert len(fields(double)["comment"]) == 300


def test_a_pole_in_a_list(forced, double):
    """The server refuses a list of a hundred for one position at a pole."""
    poles = SkyCoord([10, 20, 30], [90, -90, 45], unit="deg")
    jobs = forced.wait(forced.submit(poles, start=59000, end=59004))
    assert jobs.counts() == {"done": 2, "empty": 1}
    sent = [task.fields["dec"] for task in double.queue.tasks.values()]
    # A few microseconds of arc beside it.
    assert np.allclose(sent, [90, -90, 45], rtol=0, atol=2e-9)
    assert jobs["dec"].tolist() == [90, -90, 45]
    assert len(double.asked("POST")) == 1


def test_101_lines_are_two_requests(forced, double):
    forced.submit(positions(101))
    assert len(double.asked("POST")) == 2
    assert len(double.queue.tasks) == 101


# What the server refuses.


@pytest.mark.parametrize("lost", [False, True])
def test_tasks_for_other_targets_are_not_made_again(forced, double, lost):
    """A server that moves positions would get the same submission without end."""
    add = double.queue.add

    def elsewhere(user, number, now, given, **about):
        return add(user, number, now, {**given, "ra": given["ra"] + 0.01}, **about)

    double.queue.add = elsewhere
    faults = iter(["after"] if lost else [])
    double.fault = lambda method, path: next(faults, None) if method == "POST" else None
    words = r"other targets than were sent, of which 10\.00000\+20\.00000.*comment 'atlasquery:"
    with (
        pytest.warns(InputWarning, match=r"has tasks \[1, 2\] .*in addition to those"),
        pytest.raises(RemoteServiceError, match=words) as caught,
    ):
        forced.submit(SkyCoord([10, 11], [20, 21], unit="deg"))
    jobs = caught.value.jobs
    assert jobs.counts() == {"pending": 2}
    with pytest.warns(InputWarning), pytest.raises(RemoteServiceError, match=words):
        forced.wait(jobs)
    assert len(double.asked("POST")) == 1 and len(double.queue.tasks) == 2


def test_what_is_beyond_500_waits_here(forced, double):
    double.queue.latency = 60.0
    jobs = forced.submit(positions(620))
    assert jobs.counts() == {"pending": 120, "queued": 500}
    assert [r.status for r in double.asked("POST")] == [201] * 5
    assert jobs["task_id"].mask.sum() == 120


def test_room_that_others_took_is_learnt_from_the_refusal(forced, make, double):
    double.queue.latency = 60.0
    make().submit(positions(460))
    jobs = forced.submit(positions(130), save=None)
    assert jobs.counts() == {"pending": 90, "queued": 40}
    assert [r.status for r in double.asked("POST")[5:]] == [400, 201]
    # The first forty, in order.
    assert (jobs["state"][:40] == "queued").all()
    assert double.queue.unstarted("alice") == 500
    # A full queue takes none, and that is no error.
    assert forced.submit(positions(3)).counts() == {"pending": 3}


def test_the_three_shapes_of_a_refusal(forced, double):
    """A client that checks provokes none of them: they are made by sending what it would not."""
    shapes = {
        "ra: A valid number is required.": {"ra": "abc", "dec": 1},
        "radeclist: Number of lines (101) is above": {"radeclist": "\n".join(["1 1"] * 101)},
        "mpc_name: mpc_name: Invalid mpc_name.": {"mpc_name": "a;b"},
        "JSON parse error": None,
    }
    for words, payload in shapes.items():
        with pytest.raises(RemoteServiceError) as caught:
            if payload is None:
                forced._send("POST", double.url + "queue/", repeat=False, data="{", headers={
                    "Accept": "application/json", "Content-Type": "application/json"})  # fmt: skip
            else:
                forced._write("queue/", payload, json=True)
        assert words in str(caught.value)
        assert caught.value.status == 400
        assert caught.value.service == "ATLAS forced photometry"
    with pytest.raises(RemoteServiceError, match=r"415.*Unsupported media type"):
        forced._send("POST", double.url + "queue/", repeat=False, data="x",
                     headers={"Content-Type": "text/csv"})  # fmt: skip
    assert double.queue.tasks == {}


def test_a_refused_submission_leaves_the_rest_in_the_error(forced, double, monkeypatch):
    posts = []

    def fault(method, path):
        posts.append(method)
        return 400 if posts.count("POST") == 2 and method == "POST" else None

    # The second request is refused for a reason of the server's own.
    double.fault = fault
    with pytest.raises(RemoteServiceError, match="400") as caught:
        forced.submit(positions(150))
    assert caught.value.jobs.counts() == {"pending": 50, "queued": 100}


# Logins.


def test_anonymous_and_bad_logins(double, make):
    nobody = AtlasForcedClass(double.url)
    with pytest.raises(LoginError, match="ATLASQUERY_FORCED_TOKEN"):
        nobody.submit(mpc_names="(1)")
    assert double.requests == []
    with pytest.raises(LoginError, match=r"status 401.*Invalid token"):
        make(token="deadbeef").submit(mpc_names="(1)")
    with pytest.raises(LoginError, match="Unable to log in with provided credentials"):
        nobody.login(username="alice", password="wrong-password")
    with pytest.raises(LoginError, match="Unable to log in"):
        nobody.login(username="inactive", password="inactive-pass-123")
    assert nobody.login(username="alice", password="alice-pass-123")
    assert nobody.submit(mpc_names="(1)").counts() == {"queued": 1}
    nobody.logout()
    with pytest.raises(LoginError):
        nobody.list_jobs()


def test_a_login_from_the_environment(double, monkeypatch):
    for name, value in double.environment().items():
        monkeypatch.setenv(name, value)
    client = AtlasForcedClass()
    client._clock = double.clock
    assert client.submit(mpc_names="(1)").counts() == {"queued": 1}
    assert double.requests[-1].user == "alice"
    assert client.server == double.url


def test_a_job_of_another_server_or_of_no_kind(forced):
    with pytest.raises(InvalidQueryError, match="should be the result of submit"):
        forced.wait([1, 2])
    with pytest.raises(InvalidQueryError, match="these jobs are at http://elsewhere"):
        forced.wait(ForcedJobs("http://elsewhere/", {}))


# Budgets.


def test_the_write_budget_is_never_exceeded(forced, double, clock):
    jobs = forced.submit(positions(150))
    start = clock.now()
    done = forced.delete(jobs)
    assert done["ok"].all() and len(done) == 150
    assert double.worst("write") <= 60
    assert 429 not in {r.status for r in double.requests}
    # Two whole minutes for 152 writes at 60 a minute.
    assert 120 <= clock.now() - start < 200


def test_the_read_budget_is_never_exceeded(forced, double, clock):
    forced.submit(positions(3))
    with conf.set_temp("reads_per_minute", 90):
        for _ in range(200):
            forced._page()
    assert double.worst("read") <= 90
    assert 429 not in {r.status for r in double.requests}


def test_two_processes_share_the_budget(make, double):
    clients = [make(), make()]
    for n in range(80):
        clients[n % 2].submit(SkyCoord(n, 1, unit="deg"))
    assert double.worst("write") <= 60
    assert 429 not in {r.status for r in double.requests}


def test_a_budget_may_be_an_error_instead(forced, double):
    with conf.set_temp("on_quota", "raise"), conf.set_temp("writes_per_minute", 2):
        jobs = forced.submit(positions(3))
        with pytest.raises(IncompleteResultError, match="no write request is left of 2 a minute"):
            forced.delete(jobs)
        with pytest.raises(QuotaError, match=r"conf\.writes_per_minute") as caught:
            forced.submit(positions(1))
    assert caught.value.jobs.counts() == {"pending": 1}
    assert str(forced.quota()).endswith("requests left in this minute")
    assert forced.read_quota().limit == 600


@pytest.mark.parametrize("bare", [False, True])
def test_a_throttled_submission_waits_and_is_sent(forced, make, double, bare):
    """With Retry-After as the server sends it, and without any word on when."""
    if bare:
        said = iter(["bare 429"] * 2)
        double.fault = lambda method, path: next(said, None)
    else:
        # What others have used up is known to the server alone.
        double._history["alice", "write"].extend([double.clock.now()] * 60)
    jobs = forced.submit(positions(3))
    assert jobs.counts() == {"queued": 3}
    statuses = [r.status for r in double.requests]
    assert statuses == ([429, 429, 201] if bare else [429, 201])
    assert sum(double.clock.slept) >= (6 if bare else 60)


def test_no_credentials_in_the_file(forced, double, tmp_path):
    jobs = forced.submit(positions(3), comment="mine", save=tmp_path / "jobs.json")
    text = (tmp_path / "jobs.json").read_text()
    assert double.users["alice"].token not in text
    assert (tmp_path / "jobs.json").stat().st_mode & 0o777 == 0o600
    assert ForcedJobs.load(tmp_path / "jobs.json").jobs == jobs.jobs
    assert json.loads(text)["comment"] == "mine"
    with pytest.raises(InvalidQueryError, match="exists"):
        forced.submit(positions(3), save=tmp_path / "jobs.json")
    for content in ("", "[]", '{"format": 2}', '{"format": 1}'):
        (tmp_path / "bad.json").write_text(content)
        with pytest.raises(InvalidQueryError, match=r"bad.json' is not a file of jobs"):
            ForcedJobs.load(tmp_path / "bad.json")
    with pytest.raises(InvalidQueryError, match="cannot be read"):
        ForcedJobs.load(tmp_path / "none.json")
    for wrong in (5, "", "a\0b", None):
        with pytest.raises(InvalidQueryError, match=r"path=.* should be the path of a file"):
            ForcedJobs.load(wrong)
    with pytest.raises(InvalidQueryError, match="cannot be written"):
        jobs.save(tmp_path / "no" / "such" / "jobs.json")


@pytest.mark.parametrize("save", [5, "", "a\0b", ["jobs.json"], "~nobody-of-that-name/jobs.json"])
def test_what_names_no_file_is_refused(forced, double, save):
    with pytest.raises(InvalidQueryError, match=r"^save="):
        forced.submit(positions(1), save=save)
    with pytest.raises(InvalidQueryError, match=r"^save="):
        forced.query_position(positions(1), save=save)
    with pytest.raises(InvalidQueryError, match=r"^path="):
        forced.get_images(1, path=save)
    with pytest.raises(InvalidQueryError, match=r"^source="):
        forced.read(save)
    assert double.requests == []
