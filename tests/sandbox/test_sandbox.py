"""The Python side of the sandbox: life cycle, users, clock, quotas, records, files."""

import gc
import re
import socket
import sqlite3
import subprocess
import sys
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest
import requests

from atlasquery.sandbox import Sandbox

CONE = {"ra": 150.0, "dec": 2.2, "radius": 300, "requestType": "count"}
USERS = (
    "reader", "reader2", "writer", "expired", "staff", "nogroup", "badgroup", "inactive", "notoken",
)  # fmt: skip


def post(box, path, data=None, *, token=None, **options):
    headers = {"Authorization": f"Token {token or box.token}", "Accept": "application/json"}
    return requests.post(box.url + path, data, headers=headers, timeout=60, **options)


def log_in(box, user):
    login = {"username": user, "password": box.users[user].password}
    return requests.post(f"{box.url}auth-token/", login, timeout=60).json()


def items(box, ids, **parameters):
    joined = ",".join(map(str, ids))
    return post(box, "objects/", {"objects": joined, **parameters}).json()


@pytest.fixture
def box():
    """A separate sandbox for a test that writes or moves the clock."""
    with Sandbox() as box:
        yield box


@pytest.fixture
def still(monkeypatch):
    """Let time pass for sandboxes by `advance` only."""
    clock = SimpleNamespace(time=lambda: 1.79e9)
    monkeypatch.setattr("atlasquery.sandbox.atlas.server.time", clock)


def test_url_is_on_loopback(sandbox):
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/api/", sandbox.url)


def test_environment_points_to_the_server(sandbox):
    assert sandbox.environment() == {
        "ATLASQUERY_ATLAS_SERVER": sandbox.url,
        "ATLASQUERY_ATLAS_TOKEN": sandbox.users["reader"].token,
    }


def test_stop_ends_idle_connections_and_start_begins_again():
    box = Sandbox()
    with pytest.raises(RuntimeError, match="not running"):
        _ = box.url
    with requests.Session() as session:
        for _ in range(2):
            with box:
                url = box.url
                headers = {"Authorization": f"Token {box.token}"}
                reply = session.post(f"{url}cone/", CONE, headers=headers, timeout=60)
                assert reply.json() == {"count": 12}
            with pytest.raises(requests.ConnectionError):
                session.post(f"{url}cone/", CONE, headers=headers, timeout=60)
    assert "stopped" in repr(box)


def test_start_and_stop_twice_do_nothing():
    box = Sandbox().start()
    url = box.url
    assert box.start() is box
    assert box.url == url
    box.stop()
    box.stop()


def test_nothing_stays_behind():
    # Threads of earlier tests may end meanwhile.
    before = set(threading.enumerate())
    with Sandbox():
        assert set(threading.enumerate()) - before
    assert set(threading.enumerate()) <= before


def test_sandbox_left_running_does_not_hold_the_interpreter():
    script = "from atlasquery.sandbox import Sandbox; Sandbox().start()"
    done = subprocess.run([sys.executable, "-c", script], timeout=600, capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_nothing_is_printed(capfd):
    with Sandbox() as box:
        post(box, "cone/", CONE)
        post(box, "objects/", {"objects": "x"})
    assert capfd.readouterr() == ("", "")


def test_two_sandboxes_are_apart(box):
    with Sandbox() as other:
        target = box.manifest["ids"]["main"][0]
        post(box, "vratodo/", {"objectid": target}, token=box.writer_token)
        assert post(box, "vratodolist/", {"objects": target}).json()
        assert other.url != box.url
        found = post(other, "vratodolist/", {"objects": target}).json()
        assert all(row["timestamp"] < "2026-11-12" for row in found)


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("history", "year"),
        ("seed", -1),
        ("seed", 1.5),
        ("user_rate", "many"),
        ("user_rate", "0/hour"),
        ("auth_rate", "10/fortnight"),
        ("latency", -1),
        ("latency", "slow"),
        ("port", 70000),
        ("path", "/nonexistent/folder/box.db"),
    ],
)
def test_errors_name_the_argument(argument, value):
    with pytest.raises(ValueError, match=argument):
        Sandbox(**{argument: value})


def test_port_in_use_is_an_error():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ValueError, match=f"port={port}"):
            Sandbox(port=port).start()


def test_host_that_is_not_here_is_an_error():
    with pytest.raises(ValueError, match="host='192\\.0\\.2\\.1'"):
        Sandbox(host="192.0.2.1").start()


def test_users(sandbox):
    assert set(sandbox.users) == set(USERS)
    for name, user in sandbox.users.items():
        assert (user.username, user.password) == (name, f"{name}-password")
        assert user.token is None if name == "notoken" else re.fullmatch("[0-9a-f]{40}", user.token)
    assert sandbox.token == sandbox.users["reader"].token
    assert sandbox.writer_token == sandbox.users["writer"].token


def test_secrets_are_not_in_reprs(sandbox):
    assert sandbox.token not in repr(sandbox.users) + repr(sandbox)
    assert "reader-password" not in repr(sandbox.users)


def test_expired_token_is_renewed_once(box):
    old = box.token
    box.expire(old)
    assert post(box, "cone/", CONE).json() == {"detail": "Token has expired."}
    renewed = log_in(box, "reader")
    assert renewed["refreshed"] is True
    assert renewed["token"] != old
    assert post(box, "cone/", CONE, token=old).json() == {"detail": "Invalid token."}
    assert box.token == renewed["token"] == box.manifest["users"]["reader"]["token"]
    assert post(box, "cone/", CONE).status_code == 200
    assert log_in(box, "reader")["refreshed"] is False


def test_user_without_a_token_gets_one(box):
    reply = log_in(box, "notoken")
    assert reply["refreshed"] is True
    assert post(box, "cone/", CONE, token=reply["token"]).status_code == 200


def test_clock_lets_tokens_expire(still, box):
    tokens = {name: box.users[name].token for name in ("nogroup", "staff", "reader")}
    box.advance(86390)
    assert post(box, "cone/", CONE, token=tokens["nogroup"]).status_code == 200
    box.advance(20)
    statuses = {n: post(box, "cone/", CONE, token=t).status_code for n, t in tokens.items()}
    assert statuses == {"nogroup": 401, "staff": 200, "reader": 200}


def test_expire_of_an_unknown_token(sandbox):
    with pytest.raises(ValueError, match="token"):
        sandbox.expire("nonsense")


def test_clock_dates_what_is_written(box):
    box.advance(400 * 86400)
    target = box.manifest["all_ids"][0]
    post(box, "vrascores/", {"objectid": target}, token=box.writer_token)
    row = post(box, "vrascoreslist/", {"objects": target}).json()[-1]
    year = np.datetime64("now") + np.timedelta64(400, "D")
    assert abs(np.datetime64(row["timestamp"][:-1]) - year) < np.timedelta64(60, "s")


def test_shipped_quota_is_one_bucket_that_counts_200_and_400_but_not_403():
    with Sandbox(user_rate="shipped") as box:
        statuses = [post(box, "vrascores/").status_code for _ in range(5)]
        statuses += [post(box, "cone/").status_code for _ in range(5)]
        for _ in range(48):
            statuses.append(post(box, "cone/", CONE).status_code)
            statuses.append(post(box, "vratodolist/", {"objects": "1"}).status_code)
        assert [statuses.count(status) for status in (403, 400, 200, 429)] == [5, 5, 95, 1]
        reply = post(box, "cone/", CONE)
        wait = int(reply.headers["Retry-After"])
        assert 3500 < wait <= 3600
        assert reply.json() == {
            "detail": f"Request was throttled. Expected available in {wait} seconds."
        }
        assert post(box, "cone/", CONE, token=box.users["reader2"].token).status_code == 200
        staff = box.users["staff"].token
        assert all(post(box, "cone/", CONE, token=staff).ok for _ in range(101))
        box.advance(wait + 1)
        assert post(box, "cone/", CONE).status_code == 200


def test_window_of_the_quota_slides(still):
    with Sandbox(user_rate="2/minute") as box:
        assert post(box, "cone/", CONE).ok
        box.advance(40)
        assert post(box, "cone/", CONE).ok
        assert post(box, "cone/", CONE).headers["Retry-After"] == "20"
        box.advance(20)
        assert post(box, "cone/", CONE).ok
        assert post(box, "cone/", CONE).headers["Retry-After"] == "40"


def test_last_second_of_a_wait_is_said_in_the_singular(still):
    with Sandbox(user_rate="1/second") as box:
        post(box, "cone/", CONE)
        words = post(box, "cone/", CONE).json()["detail"]
        assert words == "Request was throttled. Expected available in 1 second."


def test_quota_of_logins():
    with Sandbox(auth_rate="shipped") as box:
        login = {"username": "reader", "password": "wrong"}
        statuses = [
            requests.post(f"{box.url}auth-token/", login, timeout=60).status_code for _ in range(11)
        ]
        assert statuses == [400] * 10 + [429]
        # Another address has another bucket, and reading has another.
        other = {"X-Forwarded-For": "192.0.2.7"}
        reply = requests.post(f"{box.url}auth-token/", login, headers=other, timeout=60)
        assert reply.status_code == 400
        assert post(box, "cone/", CONE).status_code == 200


def test_no_quota_by_default(box):
    assert all(post(box, "cone/", CONE).ok for _ in range(120))


def test_requests_are_recorded_without_secrets(box):
    token, writer = box.token, box.writer_token
    post(box, "cone/", CONE)
    query = {**CONE, "token": token}
    requests.get(f"{box.url}cone/", params=query, timeout=60)
    log_in(box, "writer")
    post(box, "vratodo/", token="nonsense", json={"objectid": 7})
    post(box, "vratodo/", token=writer, json={"objectid": 7})
    requests.get(f"{box.url}nonsense/", timeout=60)
    assert [(r.method, r.path, r.status, r.user) for r in box.requests] == [
        ("POST", "/api/cone/", 200, "reader"),
        ("GET", "/api/cone/", 200, "reader"),
        ("POST", "/api/auth-token/", 200, "writer"),
        ("POST", "/api/vratodo/", 401, None),
        ("POST", "/api/vratodo/", 201, "writer"),
        ("GET", "/api/nonsense/", 404, None),
    ]
    form = {name: str(value) for name, value in CONE.items()}
    assert [r.parameters for r in box.requests] == [
        form, form, {"username": "writer"}, {}, {"objectid": 7}, {},
    ]  # fmt: skip
    assert box.requests[0].n_bytes == 12
    assert "password" not in repr(box.requests)
    assert token not in repr(box.requests)
    box.clear_requests()
    assert box.requests == []


def test_latency():
    with Sandbox(latency=0.2) as box:
        assert post(box, "cone/", CONE).elapsed.total_seconds() > 0.2


def test_eight_threads_at_once(box):
    ids = box.manifest["all_ids"]
    target = ids[0]

    def work(n):
        rows = items(box, ids[n : n + 3])
        reply = post(box, "vrascores/", {"objectid": target, "preal": n}, token=box.writer_token)
        count = post(box, "cone/", CONE).json()["count"]
        return [row["object"]["id"] for row in rows], reply.json()["info"], count

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(work, range(40)))
    for n, (found, info, count) in enumerate(results):
        assert found == [int(i) for i in ids[n : n + 3]]
        assert (info, count) == ("Row created.", 12)
    rows = post(box, "vrascoreslist/", {"objects": target}).json()
    added = [row["preal"] for row in rows if row["apiusername"] == "writer"][-40:]
    assert sorted(added) == list(range(40))
    assert len(box.requests) == 121


def sky(box):
    manifest = box.manifest
    ids = manifest["all_ids"][::40]
    return manifest, items(box, ids)


def test_same_seed_same_sky(sandbox):
    again = Sandbox(seed=20261116)
    assert again.manifest == sandbox.manifest
    with again:
        assert sky(again) == sky(sandbox)


def test_other_seed_other_sky(sandbox):
    other = Sandbox(seed=3).manifest
    assert not set(other["all_ids"]) & set(sandbox.manifest["all_ids"][1:])
    assert other["users"]["reader"] != sandbox.manifest["users"]["reader"]
    assert {k: len(v) for k, v in other["ids"].items()} == {
        k: len(v) for k, v in sandbox.manifest["ids"].items()
    }


def test_file_keeps_what_is_written(tmp_path):
    path = tmp_path / "box.db"
    with Sandbox(path) as box:
        target = box.manifest["no_lc"][0]
        pair = {"objectid": target, "objectgroupid": 74}
        assert post(box, "objectgroups/", pair, token=box.writer_token).status_code == 201
        box.expire(box.token)
        token = log_in(box, "reader")["token"]
    with Sandbox(path) as box:
        assert box.token == token
        members = post(box, "objectgroupslist/", {"objectgroupid": 74}).json()
        assert [row["transient_object_id"] for row in members] == [int(target)]


@pytest.mark.parametrize("kind", ["text", "other database", "folder"])
def test_foreign_file_is_refused(tmp_path, kind):
    path = tmp_path / "box.db"
    if kind == "text":
        path.write_text("not a database at all, but long enough to be looked at" * 20)
    elif kind == "folder":
        path.mkdir()
    else:
        with sqlite3.connect(path) as connection:
            connection.execute("create table precious (a)")
        connection.close()
    with pytest.raises(ValueError, match="path="):
        Sandbox(path)
    if kind == "text":
        assert path.read_text().startswith("not a database")


def test_a_sandbox_that_has_ended_is_not_kept():
    """Its sky has 25 MB, and a suite starts a hundred of them."""
    with Sandbox() as box:
        assert requests.get(box.url, timeout=10).status_code
        gone = weakref.ref(box)
    del box
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize("missing", ["cheroot", "werkzeug"])
def test_a_missing_extra_is_named(missing):
    code = (
        f"import sys; sys.modules[{missing!r}] = None\n"
        "try: import atlasquery.sandbox\n"
        "except ImportError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=600)
    assert done.stdout == f"the sandbox needs {missing}: pip install 'atlasquery[sandbox]'\n"
