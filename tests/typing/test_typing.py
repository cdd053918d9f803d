"""``from atlasquery import Atlas`` gives a checker the class of the client, and its signatures."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CLIENTS = Path(__file__).with_name("clients.py")


# From nothing, mypy takes half a minute.
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def checked(tmp_path_factory):
    """What mypy says of each line of the file: a list of (kind, text)."""
    api = pytest.importorskip("mypy.api", reason="mypy is not installed: pip install mypy")
    cache = tmp_path_factory.mktemp("mypy")
    options = ["--config-file", str(ROOT / "pyproject.toml"), "--cache-dir", str(cache)]
    out, errors, _ = api.run([*options, "--no-error-summary", str(CLIENTS)])
    assert not errors, errors
    found = {}
    for line in out.splitlines():
        match = re.fullmatch(r"(.+?):(\d+): (error|note): (.*)", line)
        if match and Path(match[1]).name == CLIENTS.name:
            found.setdefault(int(match[2]), []).append((match[3], match[4]))
    return found


def lines():
    return list(enumerate(CLIENTS.read_text().splitlines(), 1))


def test_what_is_revealed_is_the_class(checked):
    expected = {n: re.search(r"# R: (.+)", line)[1] for n, line in lines() if "# R: " in line}
    assert len(expected) >= 5
    revealed = {
        n: [text.split('"')[1] for _, text in said if text.startswith("Revealed")]
        for n, said in checked.items()
        if n in expected
    }
    assert revealed == {n: [kind] for n, kind in expected.items()}


def test_wrong_calls_are_errors_and_right_ones_are_not(checked):
    expected = {n: re.search(r"# E: (.+)", line)[1] for n, line in lines() if "# E: " in line}
    assert len(expected) >= 5
    wrong = {
        n: {re.search(r"\[([a-z-]+)\]$", text)[1] for kind, text in said if kind == "error"}
        for n, said in checked.items()
        if any(kind == "error" for kind, _ in said)
    }
    assert wrong == {n: {code} for n, code in expected.items()}
