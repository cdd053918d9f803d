"""Exchanges recorded on the real server, asked again of the sandbox."""

import json
import re

import requests

SAME_HEADERS = ("Content-Type", "Allow", "WWW-Authenticate", "Vary", "Location")
# Writes to objects that only the recorded server has, and logins that make tokens.
SKIPPED = re.compile(r"_ok_|_group\.|not_member|auth-token_(new|good|staff|nogroup)")


def ask(box, exchange, tokens):
    request = exchange["request"]
    headers = {"Accept": "application/json", **(request.get("headers") or {})}
    if request["token_of"]:
        headers.setdefault("Authorization", f"Token {tokens[request['token_of']]}")
    url = box.url + request["url"].split("/api/", 1)[1]
    return requests.request(
        request["method"], url, data=request["form"], json=request["json"], headers=headers,
        allow_redirects=False, timeout=60,
    )  # fmt: skip


def test_errors_are_those_recorded(sandbox, shared):
    """Every recorded refusal comes with the same status, words and headers."""
    tokens = {name: user.token for name, user in sandbox.users.items()}
    compared = 0
    for path in sorted((shared / "samples" / "atlas").glob("*.json")):
        exchange = json.loads(path.read_text())
        if SKIPPED.search(path.name) or "request" not in exchange:
            continue
        if exchange["request"]["token_of"] not in {None, *tokens}:
            continue
        reply = ask(sandbox, exchange, tokens)
        if exchange["status"] >= 400 and exchange["status"] != 414:
            assert reply.status_code == exchange["status"], path.name
            if isinstance(exchange["body"], dict | list):
                assert reply.json() == exchange["body"], path.name
            compared += 1
        for name in SAME_HEADERS:
            if reply.status_code == exchange["status"] and reply.status_code != 414:
                assert reply.headers.get(name) == exchange["headers"].get(name), path.name
    assert compared > 70
