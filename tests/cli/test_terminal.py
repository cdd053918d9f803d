"""The command in a real terminal, in a pipe that is closed, and for a shell that completes."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import astropy.units as u
import numpy as np
import pytest
from astropy.table import MaskedColumn, Table
from astropy.time import Time

pytest.importorskip("click")

from click.shell_completion import ShellComplete

from atlasquery.cli import main
from atlasquery.cli.output import terminal_lines

COMMAND = [sys.executable, "-m", "atlasquery.cli"]


@pytest.fixture
def environment(sandbox, tmp_path):
    for name in ("cache", "config"):
        (tmp_path / name / "astropy").mkdir(parents=True)
    return (
        os.environ
        | sandbox.environment()
        | {
            "XDG_CACHE_HOME": str(tmp_path / "cache"),
            "XDG_CONFIG_HOME": str(tmp_path / "config"),
            "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
        }
    )


def in_terminal(arguments, width, environment, *, typed=()):
    """Run a command in a new terminal; return what it shows and how it ends."""
    environment = {k: v for k, v in environment.items() if k not in ("COLUMNS", "LINES")}
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, width, 0, 0))
    process = subprocess.Popen(
        [*COMMAND, *arguments],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=environment,
        start_new_session=True,
    )
    os.close(theirs)
    shown, questions = b"", list(typed)
    deadline = time.monotonic() + 600
    while time.monotonic() < deadline:
        if not select.select([ours], [], [], 1.0)[0]:
            continue
        try:
            data = os.read(ours, 65536)
        except OSError:  # The other end was closed.
            break
        if not data:
            break
        shown += data
        # The blank behind a question comes last: what is typed before it may be lost while the
        # terminal is set to hide what is typed.
        if questions and f"{questions[0][0]}: ".encode() in shown:
            os.write(ours, questions.pop(0)[1].encode() + b"\n")
    code = process.wait(timeout=600)
    os.close(ours)
    return shown.decode().replace("\r\n", "\n"), code


@pytest.mark.parametrize("width", [60, 200])
def test_a_table_fits_the_terminal(width, environment):
    text, code = in_terminal(["list", "good"], width, environment)
    lines = text.splitlines()
    assert code == 0
    assert max(map(len, lines)) <= width
    assert max(map(len, lines)) > width - 30
    assert len(lines) <= 40
    assert lines[0].split()[:3] == ["atlas_id", "name", "tns_name"]
    notes = " ".join(lines[-6:])
    assert re.search(r"136 rows; \d+ columns not shown: .*--all shows all", notes)


def test_an_object_is_shown_in_lines_that_fit(environment):
    text, code = in_terminal(["object", "ATLAS26zy"], 60, environment)
    assert code == 0
    lines = text.splitlines()
    assert lines[0] == "ATLAS26zy  SN 2026ahw  SN IIn"
    assert max(map(len, lines)) <= 60
    assert lines[1] == "         ATLAS id  1100003181021216990"


def test_a_password_is_asked_for_and_not_shown(sandbox, environment):
    del environment["ATLASQUERY_ATLAS_TOKEN"]
    password = sandbox.users["reader"].password
    typed = [("User name", "reader"), ("Password of reader", password)]
    text, code = in_terminal(["login"], 80, environment, typed=typed)
    assert code == 0, text
    assert f"Logged in to {sandbox.url} as reader." in text
    assert password not in text


def test_a_token_is_asked_for_and_not_shown(environment):
    text, code = in_terminal(["login", "--token"], 80, environment, typed=[("Token", "f" * 40)])
    assert code == 0, text
    assert "f" * 40 not in text


@pytest.mark.parametrize(
    ("typed", "code", "said"),
    [
        ("f" * 40 + "\n", 0, "The token will be checked"),
        ("", 3, "There is no terminal to ask for the token, and none on standard input"),
        (" \n", 3, "set ATLASQUERY_ATLAS_TOKEN"),
    ],
    ids=["a token", "nothing", "a blank line"],
)
def test_without_a_terminal_a_token_is_read_and_not_asked_for(environment, typed, code, said):
    done = subprocess.run(
        [*COMMAND, "login", "--token"],
        input=typed,
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert done.returncode == code, done.stderr
    assert said in done.stdout + done.stderr
    assert "f" * 40 not in done.stdout + done.stderr
    assert "echo" not in done.stderr


def run_into(stdout, arguments, environment, **options):
    """Run a command whose output is buffered, as in a shell that sets nothing about it."""
    environment = {k: v for k, v in environment.items() if k != "PYTHONUNBUFFERED"}
    return subprocess.run(
        [*COMMAND, *arguments],
        stdout=stdout,
        stderr=subprocess.PIPE,
        env=environment,
        text=True,
        timeout=600,
        **options,
    )


WRITES = [
    ["list", "garbage"],
    ["list"],
    ["quota"],
    ["cone", "--help"],
    ["--help"],
    ["--version"],
    [],
]


@pytest.mark.parametrize("arguments", WRITES, ids=" ".join)
def test_a_reader_that_leaves_is_no_error(arguments, environment):
    end, start = os.pipe()
    os.close(end)
    done = run_into(start, arguments, environment)
    os.close(start)
    assert (done.returncode, done.stderr) == (141, "")


def test_a_reader_of_errors_that_leaves_is_no_error(environment):
    end, start = os.pipe()
    os.close(end)
    line = [*COMMAND, "cone", "150", "2.2", "60"]
    done = subprocess.run(line, stdout=start, stderr=start, env=environment, timeout=600)
    os.close(start)
    assert done.returncode == 2


@pytest.mark.parametrize("arguments", [["list", "good"], ["--help"]], ids=" ".join)
def test_a_closed_output_is_no_error(arguments, environment):
    done = run_into(None, arguments, environment, preexec_fn=lambda: os.close(1))
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is full")
def test_an_output_that_cannot_be_written_is_an_error(environment):
    with Path("/dev/full").open("w") as full:
        for arguments in (["list", "good"], ["--version"]):
            done = run_into(full, arguments, environment)
            assert done.returncode == 7
            assert re.fullmatch("Error: .*No space left on device.*\n", done.stderr)


def test_help_and_completion_do_not_load_astropy():
    code = (
        "import sys; from atlasquery.cli import main\n"
        "try: main(['cone', '--help'])\n"
        "except SystemExit: pass\n"
        "assert 'astropy' not in sys.modules, 'astropy'"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("words", "begun", "expected"),
    [
        ([], "lig", ["lightcurve"]),
        (["cone"], "--ne", ["--nearest"]),
        (["list"], "mook", ["mookodi", "mookodi_live", "mookodi_peak"]),
    ],
)
def test_words_are_completed(words, begun, expected):
    completing = ShellComplete(main, {}, "atlasquery", "_ATLASQUERY_COMPLETE")
    assert [item.value for item in completing.get_completions(words, begun)] == expected


def test_a_shell_completes(environment):
    environment |= {
        "_ATLASQUERY_COMPLETE": "bash_complete",
        "COMP_WORDS": "atlasquery lig",
        "COMP_CWORD": "1",
    }
    done = subprocess.run(COMMAND, env=environment, capture_output=True, text=True, timeout=600)
    assert done.stdout == "plain,lightcurve\n"


def wide_table():
    table = Table()
    table["text"] = ["a\x1b[31mb\n", "±"]
    table["ra"] = np.array([150.123456789, 2.0]) * u.deg
    table["time"] = Time([61000.123456789, 61001], format="mjd", scale="utc")
    table["when"] = Time(["2026-01-01T00:00:00.000"] * 2, scale="utc")
    table["when"][1] = np.ma.masked
    table["mag"] = MaskedColumn([17.12345, np.nan], mask=[False, True], unit="mag")
    return table


def test_a_terminal_gets_no_orders_from_a_server():
    lines = terminal_lines(wide_table(), 100, 40)
    assert not any(re.search(r"[\x00-\x1f\x7f]", line) for line in lines)
    assert [line.split() for line in lines[3:]] == [
        [r"a\x1b[31mb\n", "150.12346", "61000.12346", "2026-01-01T00:00:00", "17.123"],
        ["±", "2.00000", "61001.00000", "———", "———"],
        ["2", "rows"],
    ]


def test_a_narrow_terminal_gets_one_column_at_least():
    lines = terminal_lines(wide_table(), 10, 40)
    assert lines[0].split() == ["text"]
    assert "not shown" in " ".join(lines)


def test_many_rows_are_shortened_and_all_are_shown_when_told():
    table = Table({"n": np.arange(500)})
    lines = terminal_lines(table, 80, 24)
    assert len(lines) <= 24
    assert lines[-1] == "500 rows (--all shows all, -o FILE keeps all)"
    assert len(terminal_lines(table, 80, 24, full=True)) == 503
    assert terminal_lines(table[:0], 80, 24)[-1] == "0 rows"
