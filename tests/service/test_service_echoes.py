"""A server that quotes what it was sent, or moves the cursor: no word of it is shown as it came."""

import contextlib
import html
import json
import pickle
import re
import traceback
from urllib.parse import quote, quote_plus

import astropy.units as u
import pytest
from astropy.coordinates import SkyCoord
from clocks import JumpingClock
from faults import Reply
from probe import ProbeClass
from probe import conf as probe_conf
from test_service_secrets import PASSWORD, TOKEN, holds_secret, lines  # noqa: F401

from atlasquery import alerce, atlas, forcedphot, lccserver, skyportal
from atlasquery.alerce import AlerceClass
from atlasquery.atlas import AtlasClass
from atlasquery.exceptions import (
    InvalidQueryError,
    LoginError,
    QuotaError,
    RemoteServiceError,
    TableParseError,
    TimeoutError,
)
from atlasquery.forcedphot import AtlasForcedClass
from atlasquery.lccserver import LCCServerClass
from atlasquery.redaction import CONTROL
from atlasquery.service.secrets import Secret
from atlasquery.skyportal import SkyPortalClass

HERE = SkyCoord(10.0, 20.0, unit="deg")
# Red, clear the screen, the window's title, an 8-bit escape, a line turned around, half a letter.
ORDERS = "\x1b[31m\x1b[2J\x1b]0;title\x07\x9b31m\u202egnp.exe\u2066 \x7f"
STATUSES = (200, 201, 302, 307, 400, 401, 403, 404, 405, 409, 413, 429, 500, 502, 503)


def echoes(received):
    """Return what a server may quote: the header of the login, and the form."""
    return f"{received.headers.get('authorization')} {received.body.decode()} {PASSWORD} {ORDERS}"


OURS = (
    LoginError, QuotaError, RemoteServiceError, TableParseError, TimeoutError, InvalidQueryError,
)  # fmt: skip
CONFS = (probe_conf, alerce.conf, atlas.conf, forcedphot.conf, lccserver.conf, skyportal.conf)


class Quoting:
    """A reply of a status and shape that quotes the request."""

    def __init__(self, status, shape):
        self.status, self.shape = status, shape

    def __call__(self, received):
        said = echoes(received)
        body, kind = SHAPES[self.shape](said)
        headers = {}
        if 300 <= self.status < 400:
            headers["Location"] = f"https://evil.example/?{quote(said)}"
        if self.status == 429:
            headers["Retry-After"] = "9999"
        return Reply(self.status, body, kind, headers)


SHAPES = {
    "text": lambda said: (said, "text/plain"),
    "page": lambda said: (f"<title>{html.escape(said)}</title>", "text/html"),
    "detail": lambda said: (json.dumps({"detail": said}), "application/json"),
    "envelope": lambda said: (
        json.dumps({"status": "error", "message": said, "data": {}}), "application/json",
    ),
    "result": lambda said: (
        json.dumps({"status": said, "result": said, "message": said}), "application/json",
    ),
    "rows": lambda said: (json.dumps([{"id": said, "oid": said}]), "application/json"),
    "half": lambda said: (json.dumps([said])[:-1], "application/json"),
    "kind": lambda said: ("x", "text/" + "".join(c for c in said if 32 < ord(c) < 127)),
    "long": lambda said: ("x" * 470 + " " + said, "text/plain"),
}  # fmt: skip


def ask_probe(url):
    client = ProbeClass(url)
    client.login(token=TOKEN)
    return [
        client.read, client.write, lambda: client._request("GET", url),
        lambda: ProbeClass(url).login("alice", password=PASSWORD),
    ]  # fmt: skip


def ask_atlas(url):
    client = AtlasClass(url)
    client.login(token=TOKEN)
    return [
        lambda: client.get_objects(1100003181021216990, cache=False),
        lambda: client.query_region(HERE, radius=1 * u.arcsec, cache=False),
        lambda: client.add_to_list(1100003181021216990, "good"),
        lambda: AtlasClass(url).login("alice", password=PASSWORD),
    ]


def ask_forced(url):
    client = AtlasForcedClass(url)
    client._clock = JumpingClock()
    client.login(token=TOKEN)
    return [
        client.list_jobs, lambda: client.submit(HERE, start=59000),
        lambda: AtlasForcedClass(url).login("alice", password=PASSWORD),
    ]  # fmt: skip


def ask_alerce(url):
    client = AlerceClass()
    return [
        lambda: client.query_region(HERE, radius=1 * u.arcsec, cache=False),
        lambda: client.get_light_curve("ZTF18acuwwpp", cache=False),
    ]


def ask_lcc(url):
    client = LCCServerClass(url)
    client.login(token=TOKEN)
    return [
        lambda: client.list_collections(cache=False),
        lambda: client.query_region(HERE, radius=1 * u.arcsec, cache=False),
        lambda: client.get_object("a", "b", cache=False),
    ]


def ask_skyportal(url):
    client = SkyPortalClass(url)
    client._clock = JumpingClock()
    with contextlib.suppress(RemoteServiceError):
        client.login(token=TOKEN)
    return [
        lambda: client.get_source("ATLAS24abc", cache=False),
        lambda: client.query_region(HERE, radius=1 * u.arcsec, cache=False),
        lambda: client.add_comment("ATLAS24abc", "seen"),
        lambda: client.request("GET", "sources/x"),
    ]


SERVICES = {
    "probe": ask_probe, "atlas": ask_atlas, "forced": ask_forced, "alerce": ask_alerce,
    "lcc": ask_lcc, "skyportal": ask_skyportal,
}  # fmt: skip


def texts_of(error):
    """Return all that is shown of an error, and of those that it came from."""
    found = ["".join(traceback.format_exception(error))]
    while error is not None:
        found += [str(error), repr(error), *map(str, error.args)]
        found += [str(value) for value in vars(error).values()]
        error = error.__cause__ or error.__context__
    return "\n".join(found)


@pytest.fixture
def impatient(faulty):
    """Let all services ask the faulty server, once."""
    with contextlib.ExitStack() as stack:
        for conf in CONFS:
            for name, value in (("retries", 0), ("max_wait", 0.0), ("on_quota", "raise")):
                stack.enter_context(conf.set_temp(name, value))
        for name in ("server", "light_curve_server"):
            stack.enter_context(alerce.conf.set_temp(name, faulty.url))
        yield


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("service", SERVICES)
def test_no_error_shows_what_a_server_quotes(faulty, impatient, lines, service, shape):  # noqa: F811
    check(faulty, lines, service, shape, (200, 302, 403, 500))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("service", SERVICES)
def test_no_error_of_any_status_shows_it(faulty, impatient, lines, service, shape):  # noqa: F811
    check(faulty, lines, service, shape, STATUSES)


def check(faulty, lines, service, shape, statuses):  # noqa: F811
    faulty.default = Reply(body='{"status": "success", "data": {}}')
    # Of a client elsewhere in this process.
    held, errors = Secret(PASSWORD), 0
    for call in SERVICES[service](faulty.url):
        for status in statuses:
            faulty.default = Quoting(status, shape)
            try:
                call()
            except OURS as error:
                errors += 1
                texts = texts_of(error)
                assert holds_secret(texts) == [], (status, texts)
                assert not CONTROL.search(f"{error} {error!r}"), (status, str(error))
    assert errors > len(statuses)
    assert holds_secret("\n".join(lines)) == []
    assert held.reveal() == PASSWORD


SPELLINGS = {
    "plain": str, "json": json.dumps, "ascii": lambda v: json.dumps(v, ensure_ascii=False),
    "html": html.escape, "python": repr, "address": quote, "form": quote_plus,
    "lower": lambda v: re.sub("%..", lambda m: m[0].lower(), quote(v)), "cut": lambda v: v[:12],
}  # fmt: skip


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_secret_is_hidden_however_it_is_written(spelling):
    secret = Secret("p@ss\"w<rd&\u00f6 'x' 12345678")
    found = str(RemoteServiceError(f"before {SPELLINGS[spelling](secret.reveal())} after"))
    assert found.strip("'\"").replace('"', "").replace("'", "") == "before ... after"
    # A short one is hidden where it is whole, and none for longer than it is in memory.
    short = Secret("abcd")
    assert str(LoginError("abcd abc")) == "... abc"
    del short
    assert str(LoginError("abcd abc")) == "abcd abc"


def test_an_error_has_no_control_characters_and_keeps_its_lines():
    error = RemoteServiceError(f"one\n\ttwo {ORDERS}", reason=ORDERS, url=f"http://x/{ORDERS}")
    for text in (str(error), repr(error), error.reason, error.url):
        assert not CONTROL.search(text)
    assert str(error).startswith("one\n\ttwo \\x1b[31m\\x1b[2J")
    assert "\\u202egnp.exe\\u2066" in str(error)
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.reason) == (str(error), error.reason)
    assert str(InvalidQueryError("a\ud800", 7)) == "('a\\\\ud800', 7)"
    assert str(TimeoutError("\x9b")) == "\\x9b"
