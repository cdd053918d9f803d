"""The examples of each page run for its reader, without an account.

Each page is run in a process as its reader would: with the line at its top, and without the
servers, clocks and logins that the test runner gives to examples, which also compares the output.
"""

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

pytest.importorskip("cheroot", reason="the sandbox extra is not installed")

DOCS = Path(__file__).parents[1] / "docs"
INCLUDE = "_includes/sandbox.inc"
SHELL_INCLUDE = "_includes/sandbox_shell.inc"
TEXTS = {
    str(path.relative_to(DOCS)): path.read_text()
    for path in sorted(DOCS.rglob("*.rst"))
    if "_build" not in path.parts
}
# The example of a new service, which is not in the package.
FOR_MAINTAINERS = ("design.rst",)
# Their examples ask no service, or start servers themselves.
WITHOUT_LINE = ("crossmatch.rst", "lists.rst", "sandbox.rst")
PAGES = [
    page for page, text in TEXTS.items() if ">>> " in text and not page.endswith(FOR_MAINTAINERS)
]
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
    print(f"{{attempted}} examples")
    sys.exit(bool(failed) or not attempted)
"""


def test_each_page_says_how_to_run_its_examples():
    names = {page.rpartition("/")[2] for page in PAGES}
    assert {"alerce.rst", "atlas.rst", "forced.rst", "lists.rst", "skyportal.rst"} <= names
    assert LINE.startswith("from atlasquery.sandbox import Sandbox; ")
    silent = [
        page for page in PAGES if not page.endswith(WITHOUT_LINE) and INCLUDE not in TEXTS[page]
    ]
    assert not silent, f"begin with '.. include:: /{INCLUDE}': {silent}"
    commands = [page for page, text in TEXTS.items() if page.endswith(("cli.rst", "bot.rst"))]
    assert len(commands) == 2
    assert all(SHELL_INCLUDE in TEXTS[page] for page in commands)


def run(code, folder, *arguments):
    """Run code in a process of its reader, without settings, caches and logins."""
    for name in (".astropy/config", ".astropy/cache", "work"):
        (folder / name).mkdir(parents=True)
    private = {
        "HOME": str(folder),
        "COLUMNS": "100",
        "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
    }
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, *arguments],
        capture_output=True,
        text=True,
        timeout=600,
        cwd=folder / "work",
        env={k: v for k, v in os.environ.items() if not k.startswith("ATLASQUERY_")} | private,
    )
    assert done.returncode == 0, done.stdout[:3000] + done.stderr[-3000:]


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_a_page_runs_for_its_reader(page, tmp_path):
    line = LINE if INCLUDE in TEXTS[page] else ""
    run(textwrap.dedent(READER).format(line=line), tmp_path, DOCS / page)


@pytest.mark.slow
def test_the_readme_runs_on_the_sandbox(tmp_path):
    readme = (DOCS.parent / "README.rst").read_text(encoding="utf-8")
    blocks = re.findall(r"\.\. code-block:: python\n\n((?: {4}.*\n|\n)+)", readme)
    lines = [line[4:] for block in blocks for line in block.splitlines() if line.strip()]
    assert sum("Sandbox(" in line for line in lines) == 1
    # The sandbox logs its clients in, and a catalogue of an archive needs a network.
    elsewhere = ("Atlas.login()", "Sandbox(", '"gaia"')
    kept = [line for line in lines if not any(words in line for words in elsewhere)]
    assert len(kept) > 20
    run("\n".join(["import matplotlib", "matplotlib.use('agg')", LINE, *kept]), tmp_path)
