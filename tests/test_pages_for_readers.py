"""The line at the top of a page starts all that the examples of the page need.

Each page is run in a process of its own as its reader would: with this line, and without the
servers, clocks and logins that the test runner gives to examples, which also compares the output.
"""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

pytest.importorskip("cheroot", reason="the sandbox extra is not installed")

DOCS = Path(__file__).parents[1] / "docs"
INCLUDE = "_includes/sandbox.inc"
PAGES = sorted(path.name for path in DOCS.glob("*.rst") if INCLUDE in path.read_text())
LINE = (DOCS / INCLUDE).read_text().strip().splitlines()[-1].strip()

READER = """
    import doctest, sys
    import matplotlib
    matplotlib.use("agg")
    {line}
    for name in ("IGNORE_WARNINGS", "SHOW_WARNINGS", "REMOTE_DATA", "FLOAT_CMP", "IGNORE_OUTPUT"):
        doctest.register_optionflag(name)

    class Any(doctest.OutputChecker):
        def check_output(self, want, got, optionflags):
            return True

    text = open(sys.argv[1], encoding="utf-8").read()
    test = doctest.DocTestParser().get_doctest(text, {{}}, sys.argv[1], sys.argv[1], 0)
    runner = doctest.DocTestRunner(checker=Any(), verbose=False)
    failed, attempted = runner.run(test)
    sandbox.stop()
    print(f"{{attempted}} examples")
    sys.exit(bool(failed) or not attempted)
"""


def test_there_are_such_pages():
    assert {"alerce.rst", "atlas.rst", "forced.rst", "lccserver.rst", "skyportal.rst"} <= set(PAGES)
    assert LINE.startswith("from atlasquery.sandbox import Sandbox; ")


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_a_page_runs_after_its_line(page, tmp_path):
    for folder in (".astropy/config", ".astropy/cache", "work"):
        (tmp_path / folder).mkdir(parents=True)
    private = {
        "HOME": str(tmp_path),
        "COLUMNS": "100",
        "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
    }
    done = subprocess.run(
        [
            sys.executable,
            "-W",
            "ignore",
            "-c",
            textwrap.dedent(READER).format(line=LINE),
            DOCS / page,
        ],
        capture_output=True,
        text=True,
        timeout=600,
        cwd=tmp_path / "work",
        env={k: v for k, v in os.environ.items() if not k.startswith("ATLASQUERY_")} | private,
    )
    assert done.returncode == 0, done.stdout[:3000] + done.stderr[-3000:]
