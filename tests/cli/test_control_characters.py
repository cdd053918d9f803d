"""What a terminal is shown of a server's words: nothing that it obeys."""

import json
import logging

import pytest
from astropy.table import Table

from atlasquery.cli.command import _Lines, one_line, printable
from atlasquery.cli.output import json_text, terminal_lines
from atlasquery.exceptions import RemoteServiceError
from atlasquery.redaction import CONTROL
from atlasquery.service.secrets import Secret
from atlasquery.tables.html import control_free, grid, link

ORDERS = "\x1b[31m\x1b]0;title\x07\x9b31m\u202egnp.exe\u2066 \x7f\u200f"


@pytest.fixture
def table():
    found = Table({"name": [ORDERS, "SN \u00e9\u20ac"], f"new{ORDERS}": [1, 2]})
    found.meta["comment"] = ORDERS
    return found


def test_a_json_document_holds_what_the_server_sent_and_shows_no_orders(table):
    text = json_text(table)
    assert not CONTROL.search(text)
    found = json.loads(text)
    assert found["rows"][0]["name"] == ORDERS and found["meta"]["comment"] == ORDERS
    # What is no order stays readable.
    assert "SN \u00e9\u20ac" in text


def test_a_table_on_a_terminal_shows_no_orders_in_cells_and_names(table):
    for full in (True, False):
        lines = "\n".join(terminal_lines(table, 60, 40, full=full))
        assert not CONTROL.search(lines)
        assert "\\x1b[31m" in lines and "\\u202egnp.exe" in lines


def test_lines_of_errors_and_of_the_log_show_no_orders_and_no_secrets():
    secret = Secret("f00dfeed" * 5)
    words = f"{ORDERS} {secret.reveal()}\tx\ny"
    assert printable("a\tb\nc") == "a\\tb\\nc"
    for line in (
        one_line(RemoteServiceError(words)),
        _Lines("%(levelname)s: %(message)s").format(
            logging.LogRecord("a", logging.DEBUG, "a", 1, words, (), None)
        ),
    ):
        assert not CONTROL.search(line) and secret.reveal() not in line
        assert "\\x1b[31m" in line


def test_html_shows_no_orders():
    html = grid(["a"], [[ORDERS]], title=ORDERS) + link("https://x.example/", ORDERS)
    assert not CONTROL.search(html + control_free(ORDERS))
