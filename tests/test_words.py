"""Pages, notebooks, docstrings, comments and messages are in plain English, for readers to search.

Each rule is a pattern and what to write instead. A phrase may run over a line break. What is code
in a page (literal text, examples, code blocks) is not read. Add a folder of the package to
``CLEAN`` once nothing is found in it; ``python tests/test_words.py FOLDER ...`` lists what is.
"""

import ast
import io
import json
import re
import sys
import tokenize
from collections.abc import Iterable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# Pattern, what to write instead. A space in a pattern stands for any white space.
RULES = (
    (r"\black(s|ed|ing)?\b", '"has no", "without", "missing"'),
    (r"\b(is|are|was) no [a-z]+ of\b", '"is not one of", "is not a column of"'),
    (r"\b(is|are) none of\b", '"is not one of"'),
    (r"(?<!there\s)\b(is|are) no (table|file|number|position|page|column)\b", '"is not a ..."'),
    (r"\bno (table|file) that can be\b", '"not a readable table"'),
    (r"\bwhat (became|becomes|has become|had become) of\b", '"the outcome of"'),
    (r"\bwhat (is|was|are|were) (said|told) of\b", 'the noun: "classifications and comments"'),
    (r"\bfates?\b", '"outcome"'),
    (r"\b(take|takes|taken|taking|took) (it |them )?up again\b", '"resume"'),
    (r"\b(goes|go|went|going) on (where|as|from)\b", '"resumes", "continues"'),
    (r"\bwhere (it|they|that) (was|were) stopped\b", '"resumes where it stopped"'),
    (r"\bin the manner of\b", '"in the style of", "like"'),
    (r"\bsiblings?\b", '"related services", "other methods"'),
    (r"\bfellows\b", '"others"'),
    (r"\bof (its|their|our|your|my|her|his|one's) own\b", 'the possessive, or "separate"'),
    (r"\b(says?|said|tells?|told) so\b", '"raises", "warns", "reports"'),
    (r"\b(is|are|was|were) said\b", '"is announced", "is described"'),
    (r"\b(is|are|was|were) told\b(?! to)", '"is reported", "is passed"'),
    (r"\b(said|told) beforehand\b", '"announced"'),
    (r"\b(goes|go|went) without\b", '"is disabled", "is not used"'),
    (r"\bwho asks\b", 'what it is: "client that sends the request"'),
    (r"\bhow many there are\b", '"number of ..."'),
    (r"\bas many as there are\b", '"all"'),
    (r"\b(makes?|made|making) (anything|something|what one can) of\b", '"reads", "decodes"'),
    (r"\b(fails?|failed|failing|stumbles?|stumbled) over\b", '"fails for"'),
    (r"\ban(ew| new time)\b", '"again"'),
    (r"\bheed(s|ed)?\b", '"respect", "use"'),
    (r"\b(is|are|was|were) asked for again\b", '"is requested again"'),
    (r"\b(is|are) not asked for\b", '"is not requested"'),
    (r"\b(is|are|was|were) (kept|put) apart\b", '"is separate"'),
    (r"\bcounted apart\b", '"counted separately"'),
    (r"\b(stored|lost|late) answers?\b", '"cached response", "lost response"'),
    (r"\bthe answers?' (bod|head)", '"the response"'),
    (r"\btexts\b", '"strings"'),
    (r"\b(is|as) a text\b", '"a string"'),
    (r"\btruth values?\b", '"boolean"'),
    (r"\bmeta data\b", '"metadata"'),
    (r"\bthe error output\b", '"standard error"'),
    (r"\btime-outs?\b", '"timeout"'),
    (r"\bunder way\b", '"running", "in progress"'),
    (r"\bnothing takes\b", '"cannot be"'),
    (r"\btakes? back\b|\btaken back\b|\btaking (\w+ )*back\b", '"undo", "withdraw"'),
    (r"\bmarks and colou?rs\b|\bthe key (says|counts|names)\b", '"legend", "marker"'),
    (r"\bpictures? (to move about in|of (many|a light))", '"plot", "interactive plot"'),
    (r"\bmove about in\b", '"interactive"'),
    (r"\bmade-up\b", '"synthetic"'),
    (r"\ba double of\b", '"a simulated server", in tests "test server"'),
    (r"\(contract\)|\bthe contracts?\b", "docs/servers/<service>.rst, and the title of a section"),
    (r"\bmend(s|ed|ing)?\b", '"fix"'),
    (r"\bbeside (it|them|this|that)\b", '"with it", "also"'),
    (r"\bit is gone\b", '"it was removed"'),
    (r"\b(can|could|may|might) be had\b", '"is available"'),
    (r"\bknows? nothing of\b", '"does not know"'),
    (r"\bnone goes\b", '"none is", "None disables it"'),
    (r"\bsuch a one\b|\bof the like\b|\band their like\b", '"such", "others"'),
    (r"\bwithout a word\b", '"silently"'),
    (r"\bthe server's (own )?words\b", '"the server\'s message"'),
    (r"\b(is|are) (quick|slow) to make\b", '"takes ... to create"'),
    (r"\bwaited out\b|\b(is|are) waited for\b", '"is awaited", "the client waits for"'),
    (r"\bon this side\b", '"locally", "by the client"'),
    (r"\b(is|are) warned of\b", '"there is a warning"'),
    (r"\ball the same\b(?=[,.;:])", '"still", "nevertheless"'),
    (r"\bcost(s)? (it|them|the others) (nothing|anything)\b", '"does not affect"'),
)  # fmt: skip
# Where a word has its usual meaning: file, and the text around it.
ALLOWED = (
    ("docs/servers/lccserver.rst", "writes it in the server's words"),
    # The title of a page of nginx.
    ("tests/skyportal/uploads/test_skyportal_upload_photometry.py", "Gateway Time-out"),
    ("tests/skyportal/writes/test_skyportal_followups.py", "Gateway Time-out"),
    ("tests/skyportal/writes/test_skyportal_writes.py", "Gateway Time-out"),
)
PAGES = sorted(
    path.relative_to(ROOT)
    for path in (*ROOT.glob("*.rst"), *ROOT.glob("docs/**/*.rst"), *ROOT.glob("findings/*.rst"))
    if "_build" not in path.parts and not path.name.startswith("LICENSE")
)
NOTEBOOKS = sorted(path.relative_to(ROOT) for path in ROOT.glob("docs/notebooks/*.ipynb"))
# Folders and modules of the package, and of its tests, whose words have been read.
CLEAN: tuple[str, ...] = (
    "atlasquery/__init__.py",
    "atlasquery/alerce",
    "atlasquery/atlas",
    "atlasquery/cli",
    "atlasquery/exceptions.py",
    "atlasquery/forcedphot",
    "atlasquery/hats",
    "atlasquery/lccserver",
    "atlasquery/lightcurve",
    "atlasquery/redaction.py",
    "atlasquery/regions",
    "atlasquery/sandbox",
    "atlasquery/service",
    "atlasquery/sky",
    "atlasquery/skyportal",
    "atlasquery/sphere.py",
    "atlasquery/tables",
    "atlasquery/warn.py",
    "benchmarks",
    "docs/new_survey",
    "tests/alerce",
    "tests/hats",
    "tests/lccserver",
    "tests/regions/maps.py",
    "tests/regions/test_moc.py",
    "tests/regions/test_skymap.py",
    "tests/sky/conftest.py",
    "tests/sky/supernova.py",
    "tests/sky/test_asking.py",
    "tests/sky/test_find.py",
    "tests/sky/test_resolve.py",
    "tests/sky/test_within.py",
    "tests/skyportal",
)


def modules(folders: Iterable[str]) -> list[Path]:
    """Return the modules in folders, by their paths from the root of the checkout.

    Parameters
    ----------
    folders : iterable of str
        Folders, or single modules.

    Returns
    -------
    list of `~pathlib.Path`
        Sorted.
    """
    paths = (
        path
        for name in folders
        for path in ([ROOT / name] if name.endswith(".py") else ROOT.glob(f"{name}/**/*.py"))
    )
    return sorted(path.relative_to(ROOT) for path in paths)


SOURCES = modules(CLEAN)
# Names that do not say what the value is.
NAMES = {"apart", "made", "more", "own", "piece", "place", "said", "there", "told"}
COMPILED = [(re.compile(rule.replace(" ", r"\s+"), re.IGNORECASE), say) for rule, say in RULES]


def find(text: str, where: str, line: int = 1) -> list[str]:
    """Return a line for each phrase of a text that a rule forbids.

    Parameters
    ----------
    text : str
        The text.
    where : str
        The file.
    line : int, optional
        The number of its first line.

    Returns
    -------
    list of str
        File, line, the phrase, and what to write instead.
    """
    allowed = [around for name, around in ALLOWED if where == name]
    found = []
    for pattern, instead in COMPILED:
        for match in pattern.finditer(text):
            around = " ".join(text[max(0, match.start() - 60) : match.end() + 60].split())
            if any(one in around for one in allowed):
                continue
            number = line + text.count("\n", 0, match.start())
            phrase = " ".join(match.group().split())
            found.append(f'{where}:{number}: "{phrase}": write {instead}')
    return found


def prose(page: str) -> str:
    """Return the text of a page with its code blanked out, line by line.

    Parameters
    ----------
    page : str
        A page in reStructuredText.

    Returns
    -------
    str
        As many lines, those of examples and code blocks empty.
    """
    lines, example, block = [], False, None
    for line in page.split("\n"):
        indent = len(line) - len(line.lstrip())
        if block is not None and line.strip() and indent <= block:
            block = None
        # An example lasts until the next empty line, its output included.
        example = bool(line.strip()) and (example or line.lstrip().startswith(">>> "))
        lines.append("" if example or block is not None else line)
        if re.match(r"\s*\.\. (code-block|plot|notebook-output|literalinclude)::", line):
            block = indent
    return re.sub(r"``[^`]+``", lambda code: re.sub(r"[^\n]", "x", code.group()), "\n".join(lines))


def markdown(notebook: str) -> list[tuple[int, str]]:
    """Return the texts between the code of a notebook, with code in them blanked out.

    Parameters
    ----------
    notebook : str
        The notebook, as JSON.

    Returns
    -------
    list of tuple
        Number of the cell, from 1, and its text.
    """
    cells = enumerate(json.loads(notebook)["cells"], 1)
    texts = [(n, "".join(cell["source"])) for n, cell in cells if cell["cell_type"] == "markdown"]
    return [(number, re.sub(r"`[^`]+`", "x", text)) for number, text in texts]


def words(source: str) -> list[tuple[int, str]]:
    """Return comments and strings of a module, comments of several lines as one text.

    Parameters
    ----------
    source : str
        The module.

    Returns
    -------
    list of tuple
        Number of the first line, and the text.
    """
    texts: list[tuple[int, str]] = []
    # The parts of an f-string are tokens of their own from Python 3.12 on.
    strings = {tokenize.STRING, getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING)}
    last = None
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            text = token.string.lstrip("#:").strip()
            if last == token.start[0] - 1 and texts:
                texts[-1] = (texts[-1][0], f"{texts[-1][1]}\n{text}")
            else:
                texts.append((token.start[0], text))
            last = token.start[0]
        elif token.type in strings:
            text = re.sub(r"``[^`]+``", "x", token.string)
            texts.append((token.start[0], prose(text) if '"""' in text else text))
            last = None
        elif token.type not in (tokenize.NL, tokenize.INDENT, tokenize.DEDENT):
            last = None
    return texts


def names(source: str) -> list[tuple[int, str]]:
    """Return the names that a module gives to values, arguments and functions.

    Parameters
    ----------
    source : str
        The module.

    Returns
    -------
    list of tuple
        The number of the line, and the name.
    """
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.append((node.lineno, node.id))
        elif isinstance(node, ast.arg):
            found.append((node.lineno, node.arg))
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.append((node.lineno, node.name))
    return found


def find_in_module(module: Path) -> list[str]:
    """Return a line for each phrase and each name of a module that a rule forbids.

    Parameters
    ----------
    module : `~pathlib.Path`
        Its path from the root of the checkout.

    Returns
    -------
    list of str
        File, line, what was found, and what to write instead.
    """
    source, where = (ROOT / module).read_text(encoding="utf-8"), module.as_posix()
    found = [one for line, text in words(source) for one in find(text, where, line)]
    return found + [
        f'{where}:{line}: the name "{name}": write what the value is'
        for line, name in names(source)
        if name in NAMES
    ]


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_pages_use_plain_words(page):
    found = find(prose((ROOT / page).read_text(encoding="utf-8")), page.as_posix())
    assert not found, "\n" + "\n".join(found)


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_pages_have_no_code_inside_bold_text_which_is_shown_raw(page):
    lines = (ROOT / page).read_text(encoding="utf-8").splitlines()
    assert not [line for line in lines if re.search(r"(?<!`)\*\*``[^`]+``", line)]


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=str)
def test_notebooks_use_plain_words(notebook):
    cells = markdown((ROOT / notebook).read_text(encoding="utf-8"))
    assert cells
    found = [
        f"cell {number}: {one}" for number, text in cells for one in find(text, notebook.as_posix())
    ]
    assert not found, "\n" + "\n".join(found)


@pytest.mark.parametrize("module", SOURCES, ids=str)
def test_modules_use_plain_words(module):
    found = find_in_module(module)
    assert not found, "\n" + "\n".join(found)


def test_a_phrase_is_found_over_a_line_break_and_names_its_line():
    (found,) = find("Fine.\nIt is done in the\nmanner of others.", "docs/x.rst")
    assert found == 'docs/x.rst:2: "in the manner of": write "in the style of", "like"'


def test_code_of_a_page_is_not_read():
    page = (
        "Text.\n\n>>> lacks = 1\n>>> lacks\n1\n\n``lacks`` too\n\n.. code-block:: sh\n\n    lacks\n"
    )
    assert not find(prose(page), "docs/x.rst")
    assert find(prose(page + "\nIt lacks a row."), "docs/x.rst")


def test_the_text_of_a_notebook_is_read_and_its_code_is_not():
    source = ["It `lacks`\n", "nothing, and lacks a row."]
    cells = [
        {"cell_type": "code", "source": ["lacks = 1"]},
        {"cell_type": "markdown", "source": source},
    ]
    ((number, text),) = markdown(json.dumps({"cells": cells}))
    assert number == 2
    assert len(find(text, "docs/x.ipynb")) == 1


def test_comments_strings_and_docstrings_are_read():
    source = (
        '"""It lacks a row."""\n# What became\n# of it.\nx = "siblings"\ny = f"{x} lacks {x}"\n'
    )
    found = [one for line, text in words(source) for one in find(text, "m.py", line)]
    lines = sorted(int(one.split(":")[1]) for one in found)
    assert lines == [1, 2, 4, 5]


def test_names_of_values_arguments_and_functions_are_read():
    source = "made = 1\ndef told(own, *, more=2):\n    for there in ():\n        pass\n"
    assert {name for _, name in names(source)} == {"made", "told", "own", "more", "there"}


if __name__ == "__main__":
    for found in map(find_in_module, modules(name.rstrip("/") for name in sys.argv[1:])):
        print("".join(f"{line}\n" for line in found), end="")
