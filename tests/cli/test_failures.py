"""How commands fail: one line on standard error, and a code that a script can use."""

import json

import keyring
import pytest
from keyrings import MemoryKeyring

from atlasquery.atlas import conf


def fails(result, code, *words):
    assert result.exit_code == code, result.output
    lines = result.stderr.splitlines()
    assert lines[-1].startswith("Error: ")
    assert len([line for line in lines if not line.startswith("Warning: ")]) == 1
    for word in words:
        assert word in lines[-1]
    assert "Traceback" not in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("cone 150.0 2.2 60", ["does not end in a radius with a unit, such as 60arcsec"]),
        ("cone 150.0 95.2 60arcsec", ["is not a position"]),
        ("cone 150.0 2.2 60arcsec --jsn", ["--json", "atlasquery cone --help"]),
        ("cone", ["give POSITION RADIUS, or --region FILE"]),
        ("cnoe", ["No such command 'cnoe'"]),
        ("cone 150 2 1arcsec --json -o a.fits", ["not both"]),
        ("cone 150 2 1arcsec -o a.txt", ["a.txt should end in one of .ecsv, .fits"]),
        ("cone 150 2 1arcsec -o no/such/a.fits", ["is not a directory"]),
        ("lightcurve 123", ["19 digits"]),
        ("lightcurve 1100003181021216990 --start soon", ["start='soon'"]),
        ("lightcurve 1100003181021216990 --start 61300 --end 61200", ["is before start"]),
        ("list godo", ["'good'"]),
        ("plot 1100003181021216990 -o a.gif", [".png, .pdf, .svg"]),
        ("plot 1100003181021216990 -o no/such/a.png", ["no/such is not a directory"]),
        ("login alice --token", ["one of them"]),
        ("download 12 -d d", ["19 digits"]),
    ],
)
def test_what_is_wrong_is_refused_before_anything_is_sent(run, sandbox, line, words):
    sandbox.clear_requests()
    fails(run(*line.split()), 2, *words)
    assert sandbox.requests == []


def test_a_file_that_is_there_is_refused_before_anything_is_sent(run, sandbox, tmp_path):
    (tmp_path / "a.fits").write_bytes(b"mine")
    sandbox.clear_requests()
    fails(run("cone", "150 2.2 1arcmin", "-o", "a.fits"), 2, "--overwrite replaces it")
    assert sandbox.requests == []
    assert run("cone", "150 2.2 1arcmin", "-o", "a.fits", "--overwrite").exit_code == 0
    assert (tmp_path / "a.fits").read_bytes().startswith(b"SIMPLE")


def test_what_is_not_there_is_not_found(run):
    fails(run("object", "1999999999999999900"), 1, "ATLAS does not know 1999999999999999900")
    fails(run("lightcurve", "ATLAS20aaa"), 1, "No list of ATLAS has ATLAS20aaa")


def test_no_login_says_what_to_do(run, monkeypatch):
    monkeypatch.delenv("ATLASQUERY_ATLAS_TOKEN")
    fails(run("cone", "150 2.2 1arcmin"), 3, "ATLASQUERY_ATLAS_TOKEN", "atlasquery login --store")


def test_a_refused_login_says_so(run, monkeypatch):
    monkeypatch.setenv("ATLASQUERY_ATLAS_TOKEN", "0" * 40)
    result = run("cone", "150 2.2 1arcmin")
    fails(result, 3)
    assert "0" * 40 not in result.output


def test_an_empty_quota_says_so(run, monkeypatch):
    with conf.set_temp("hourly_limit", 2), conf.set_temp("limit_loopback", True):
        assert run("cone", "150 2.2 1arcmin").exit_code == 0
        fails(run("cone", "10 2.2 1arcmin"), 4, "--wait")
        result = run("quota")
        assert result.exit_code == 4
        assert result.stdout.startswith("0 of 2 requests left in this hour, next at 20")


def test_a_server_that_is_not_there_says_so(run):
    with conf.set_temp("retries", 0):
        fails(run("cone", "150 2.2 1arcmin", "--server", "http://127.0.0.1:9/api/"), 5)


def test_debug_shows_where_it_comes_from(run):
    result = run("object", "1999999999999999900", "--debug")
    assert result.exit_code == 1
    assert "Traceback (most recent call last)" in result.stderr
    assert result.stderr.splitlines()[-1].startswith("Error: ATLAS does not know")


def test_a_password_is_asked_for_and_not_an_option(run, sandbox, monkeypatch):
    monkeypatch.delenv("ATLASQUERY_ATLAS_TOKEN")
    assert "--password" not in run("login", "--help").stdout
    fails(run("login", "reader", "--password", "x"), 2)
    monkeypatch.setenv("ATLASQUERY_ATLAS_PASSWORD", sandbox.users["reader"].password)
    result = run("login", "reader")
    assert result.exit_code == 0
    assert f"Logged in to {sandbox.url}." in result.stdout
    assert "It is not stored" in result.stdout
    monkeypatch.setenv("ATLASQUERY_ATLAS_PASSWORD", "wrong-password")
    result = run("login", "reader")
    fails(result, 3, "does not accept the password of 'reader'")
    assert "wrong-password" not in result.output


def test_a_login_is_kept_only_when_told(run, sandbox, monkeypatch):
    monkeypatch.setenv("ATLASQUERY_ATLAS_USERNAME", "reader")
    monkeypatch.setenv("ATLASQUERY_ATLAS_PASSWORD", sandbox.users["reader"].password)
    monkeypatch.delenv("ATLASQUERY_ATLAS_TOKEN")
    ring, previous = MemoryKeyring(), keyring.get_keyring()
    keyring.set_keyring(ring)
    try:
        assert run("login").exit_code == 0
        assert ring.kept == {}
        result = run("login", "--store")
        assert result.stdout.endswith("It is stored in the keyring of this machine.\n")
    finally:
        keyring.set_keyring(previous)
    assert sandbox.users["reader"].password in ring.kept.values()


def test_no_command_is_a_page_of_help(run):
    result = run()
    assert result.exit_code == 2
    assert result.output.startswith("Usage: ")
    assert "\n  cone " in result.output


def test_what_is_said_of_requests_is_not_among_the_data(run):
    result = run("cone", "150 2.2 1arcmin", "--json", "--debug")
    assert isinstance(json.loads(result.stdout), (dict, list))
    assert "DEBUG: ATLAS: POST" in result.stderr
