"""The page of the command line: each command is run, and shows what the page says."""

import doctest
import io
import re
import shlex
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest
from astropy.config import paths

from atlasquery.sandbox.lccserver.server import LCCSandbox

pytest.importorskip("click")
pytest.importorskip("matplotlib")
pytest.importorskip("pyarrow")

PAGE = Path(__file__).parents[2] / "docs" / "cli.rst"
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
# Of an account that the sandbox does not have.
ELSEWHERE = ("atlasquery login", "atlasquery quota")


class Terminal(io.StringIO):
    def isatty(self):
        return True


def examples():
    """Return each command of the page with the output that follows it."""
    blocks = re.findall(r"\.\. code-block:: console\n\n((?: {4}.*\n|\n)+)", PAGE.read_text())
    found = []
    for block in blocks:
        for part in re.split(r"^ {4}\$ ", block, flags=re.M)[1:]:
            command, _, shown = part.partition("\n")
            found.append((command, re.sub(r"^ {4}", "", shown, flags=re.M)))
    return [one for one in found if one[0].startswith("atlasquery")]


def shown_by(command):
    from atlasquery.cli import main

    if "|" in command:
        line = command.replace("atlasquery ", f"'{sys.executable}' -m atlasquery.cli ")
        done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=600)
        return done.stdout + done.stderr
    command, _, asked = command.partition("; echo ")
    terminal = Terminal()
    with redirect_stdout(terminal), redirect_stderr(terminal), pytest.raises(SystemExit) as end:
        main(shlex.split(command)[1:], prog_name="atlasquery")
    if asked:
        terminal.write(f"exit code {end.value.code}\n")
    else:
        assert end.value.code == 0, terminal.getvalue()
    return terminal.getvalue()


def test_the_page_shows_what_the_commands_show(sandbox, tmp_path, monkeypatch):
    for name, value in sandbox.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("COLUMNS", "88")
    monkeypatch.setenv("LINES", "50")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (tmp_path / "astropy").mkdir()
    monkeypatch.chdir(tmp_path)
    checker, wrong, run = doctest.OutputChecker(), [], 0
    with paths.set_temp_cache(tmp_path), LCCSandbox() as double:
        monkeypatch.setenv("ATLASQUERY_LCC_SERVER", double.url)
        for command, expected in examples():
            if command.startswith(ELSEWHERE):
                continue
            shown = shown_by(command)
            run += 1
            if not checker.check_output(expected, shown, FLAGS):
                wrong.append(f"$ {command}\nexpected:\n{expected}\nshown:\n{shown}")
    assert not wrong, "\n\n".join(wrong)
    assert run > 12
