"""References lead somewhere: from comments to sections of pages, from the design page to files."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = re.compile(r"docs/servers/(\w+)\.rst(?:,\s+(?:\"([^\"]+)\"|'([^']+)'))?")
# Files of the synthetic survey of the design page.
IMAGINED = {"atlasquery/cli/tiny_commands.py"}
MODULES = sorted(
    path.relative_to(ROOT)
    for folder in ("atlasquery", "tests", "benchmarks")
    for path in (ROOT / folder).rglob("*.py")
    if path.name not in ("test_words.py", "test_references.py")
)


def sections(page):
    """Return the titles of a page."""
    text = (ROOT / "docs" / "servers" / f"{page}.rst").read_text(encoding="utf-8")
    titles = re.findall(r"^(\S.*)\n([=^-])\2+$", text, re.MULTILINE)
    return {title.replace("`", "") for title, _ in titles}


def wrong_references(source):
    """Return the references in comments and strings of a module to sections that do not exist."""
    pages = {path.stem for path in (ROOT / "docs" / "servers").glob("*.rst")}
    wrong = []
    # A reference may run over the lines of a comment.
    for match in PAGE.finditer(re.sub(r"\s*\n\s*(?:#:?\s*)?", " ", source)):
        page, title = match[1], (match[2] or match[3] or "").replace("`", "")
        if page not in pages or (title and title not in sections(page)):
            wrong.append(match[0])
    return wrong


def test_comments_refer_to_sections_that_exist():
    wrong = [
        f"{module}: {one}"
        for module in MODULES
        for one in wrong_references((ROOT / module).read_text(encoding="utf-8"))
    ]
    assert not wrong, "\n" + "\n".join(wrong)


def test_a_reference_to_no_section_is_found():
    good = '# As docs/servers/atlas.rst, "Custom\n# lists have no directory", says.\n'
    assert not wrong_references(good)
    for bad in ('# docs/servers/atlas.rst, "No such section"\n', "# docs/servers/nowhere.rst\n"):
        assert wrong_references(bad)


def test_files_named_by_the_design_page_exist():
    page = (ROOT / "docs" / "design.rst").read_text(encoding="utf-8")
    named = set(re.findall(r"``([\w/<>]+\.(?:py|rst))``", page))
    named |= set(re.findall(r"^        (\w+/\w+\.py) ", page, re.MULTILINE))
    assert len(named) > 20
    places = [ROOT, ROOT / "atlasquery", ROOT / "tests", ROOT / "docs" / "new_survey"]
    # A name without a folder is a module of a service, or of the command.
    anywhere = {path.name for path in (ROOT / "atlasquery").rglob("*.py")} | {"benches.py"}
    missing = {
        name
        for name in named
        if name not in IMAGINED
        and "<" not in name
        and not any((place / name).exists() for place in places)
        and not ("/" not in name and name in anywhere)
    }
    assert not missing
