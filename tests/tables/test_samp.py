"""Tables sent over SAMP to a real hub on loopback, and read by who gets them."""

import threading
import urllib.parse
from pathlib import Path

import pytest
from astropy.table import Table
from astropy.time import Time
from equal import assert_same_table

from atlasquery.exceptions import InvalidQueryError, RemoteServiceError
from atlasquery.tables import read_table, send
from atlasquery.tables import samp as sending
from atlasquery.tables.samp import _samp

samp = _samp()


@pytest.fixture
def hub(tmp_path, monkeypatch):
    lock = tmp_path / "samp.hub"
    monkeypatch.setenv("SAMP_HUB", f"std-lockurl:{lock.as_uri()}")
    with samp.conf.set_temp("use_internet", False):
        hub = samp.SAMPHubServer(web_profile=False, lockfile=str(lock), addr="127.0.0.1")
        hub.start()
        yield hub
        hub.stop()


class Receiver:
    """A program that loads tables, as TOPCAT does."""

    def __init__(self, status="samp.ok"):
        self.loaded, self.status = [], status
        self.client = samp.SAMPIntegratedClient(name="receiver", addr="127.0.0.1")
        self.client.connect()
        self.client.bind_receive_call("table.load.votable", self.load)

    def load(self, private_key, sender, message_id, mtype, params, extra):
        path = Path(urllib.parse.unquote(urllib.parse.urlparse(params["url"]).path))
        self.loaded.append((params["name"], path, read_table(path), threading.get_ident()))
        answer = {"samp.status": self.status, "samp.result": {}}
        if self.status != "samp.ok":
            answer["samp.error"] = {"samp.errortxt": "no memory"}
        self.client.reply(message_id, answer)


@pytest.fixture
def receiver(hub):
    receiver = Receiver()
    yield receiver
    receiver.client.disconnect()


@pytest.fixture
def table():
    table = Table({"id": [1103337110432157700], "note": ["±"]}, meta={"list": "good"})
    table["time"] = Time([61000.5], format="mjd", scale="utc")
    return table


def test_a_table_arrives_whole(receiver, table):
    assert send(table) == ["receiver"]
    ((name, path, loaded, _),) = receiver.loaded
    assert name == "good"
    assert_same_table(loaded, table)
    assert not path.exists()


def test_a_client_may_be_given(receiver, table):
    client = samp.SAMPIntegratedClient(name="mine", addr="127.0.0.1")
    client.connect()
    try:
        assert send(table, client) == ["receiver"]
        assert client.is_connected
    finally:
        client.disconnect()


def test_a_failure_is_told_in_its_words(hub, table):
    receiver = Receiver(status="samp.error")
    try:
        with pytest.raises(RemoteServiceError, match="receiver did not load it: no memory"):
            send(table)
    finally:
        receiver.client.disconnect()


def test_a_program_that_never_answers_is_named(hub, table, monkeypatch):
    monkeypatch.setattr(sending, "PATIENCE", 0.5)
    receiver = Receiver()
    receiver.client.bind_receive_call("table.load.votable", lambda *args: None)
    try:
        with pytest.raises(RemoteServiceError, match=r"receiver did not report within 0.5 s"):
            send(table)
    finally:
        receiver.client.disconnect()


def test_nobody_there_is_said(hub, table):
    with pytest.raises(RemoteServiceError, match="no program that takes tables is connected"):
        send(table)


def test_no_hub_is_said(tmp_path, monkeypatch, table):
    monkeypatch.setenv("SAMP_HUB", f"std-lockurl:{(tmp_path / 'none').as_uri()}")
    with pytest.raises(RemoteServiceError, match="there is no SAMP hub"):
        send(table)


def test_what_is_no_table_is_refused():
    with pytest.raises(InvalidQueryError, match="should be an astropy Table"):
        send([1])
