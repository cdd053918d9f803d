"""The page of endpoints: a row for each, and nothing that is not there."""

import ast
import re
from pathlib import Path

import pytest

from atlasquery.skyportal import SkyPortalClass
from atlasquery.skyportal.any_route import METHODS, check_path

PAGE = Path(__file__).parents[2] / "docs" / "skyportal_endpoints.rst"
ROW = re.compile(r"    \* - (\w+)\n      - ``(.+?)``\n      - (.+)\n")
CALL = re.compile(r"``SkyPortal\.(request\(.*?\))``")


@pytest.fixture(scope="module")
def rows():
    """Method, route and how it is reached, of each row."""
    return ROW.findall(PAGE.read_text())


def documented(text):
    """Return method, expression of the route and which form of it, of each endpoint of 2023."""
    found = []
    for line in text.splitlines():
        if not re.match(r"\| \d+ \|", line):
            continue
        # A bar inside a cell is escaped.
        what = re.split(r"(?<!\\)\|", line)[3].replace(r"\|", "|")
        route = re.search(
            r"(GET|PUT|POST|PATCH|DELETE|HEAD) `(.*?)`(?: \((single|multiple)\))?", what
        )
        if route is None:
            # One has only a title.
            found.append(("GET", re.match(r" (/\S+?)<br>", what)[1], None))
        else:
            found.append(route.groups())
    return found


def covers(row, endpoint):
    """Return whether a row is of an endpoint, and of its form for one or for many."""
    method, route, _ = row
    wanted, expression, form = endpoint
    expression = re.sub(r"\{\w+\}", "[^/]+", expression).replace("/event_id", "/[^/]+")
    # What a route takes, by how it is written there: numbers, letters, or both.
    match = re.fullmatch(expression, "/api/" + re.sub(r"\{\w+\}", "1", route))
    if method != wanted or match is None:
        return False
    return form is None or (match[match.re.groups] is None) == (form == "multiple")


def test_every_endpoint_has_a_row(rows, shared):
    text = (shared / "samples" / "skyportal" / "endpoints_2023.md").read_text()
    endpoints = documented(text)
    assert len(endpoints) == len(re.findall(r"^\| \d+ \|", text, re.M)) > 80
    missing = [one for one in endpoints if not any(covers(row, one) for row in rows)]
    assert not missing


def test_a_row_that_is_not_there_is_missed(rows):
    for endpoint in (
        ("GET", "/api/nothing(/.*)?", "multiple"),
        ("PATCH", "/api/healpix", None),
        ("GET", "/api/healpix(/.*)?", "single"),
    ):
        assert not any(covers(row, endpoint) for row in rows)


def test_no_row_stands_twice(rows):
    assert len({row[:2] for row in rows}) == len(rows) > 100


def test_every_method_that_is_named_exists(rows):
    named = {name for _, _, how in rows for name in re.findall(r"``([a-z]\w+)``", how)}
    assert len(named) > 40
    assert not [name for name in sorted(named) if not callable(getattr(SkyPortalClass, name, None))]


def test_every_call_can_be_made(rows):
    calls = [(row, call) for row in rows for call in CALL.findall(row[2])]
    assert len(calls) > 40
    for (method, route, _), call in calls:
        # Three dots stand for what else there is to say.
        tree = ast.parse(call.replace(", ...}", "}"), mode="eval").body
        given = [ast.literal_eval(one) for one in tree.args]
        assert given[0] == method and given[0] in METHODS
        # The call is of the route of its row.
        expression = re.sub(r"\{\w+\}", "[^/]+", route)
        assert re.fullmatch(expression, check_path(given[1])), call
        for keyword in tree.keywords:
            ast.literal_eval(keyword.value)


def test_every_row_says_how(rows):
    for method, route, how in rows:
        assert CALL.search(how) or re.match(r"``[a-z]\w+``", how), (method, route)
