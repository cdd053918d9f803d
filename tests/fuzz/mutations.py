"""Change answers in all the ways that a server, a proxy or a newer version might."""

import copy
import gzip
import io
import json
import re
import zipfile
import zlib
from dataclasses import replace

VALUES = [
    None, True, False, 0, 1, -1, 2, 7, 1e-300, 0.5, -0.0, 2**31, 2**53 + 1, 2**63, 2**64,
    -(2**63) - 1,
    10**30, 10**400, -(10**19), 1e308, -1e308, 1e15, 1e17, 1e20, -1e6, 3e6, 99999, 1e300,
    float("nan"), float("inf"), float("-inf"),
    "", " ", "NaN", "nan", "null", "None", "-inf", "abc", "1e999", "0", "1", "-1", "12.5",
    "1" * 5000,
    "é", "\u0000", "a\u0000b", "\x1b[31m", "\u202e", "\ud800", "<b>x</b>", "../x", "/", "%s", "{}",
    "2026-13-45T99:99:99", "0001-01-01T00:00:00", "9999-12-31T23:59:59.999999999",
    "99999-01-01T00:00:00", "2026-01-01T00:00:00+25:00", "2026-01-01T00:00:00-14:00",
    "2026-02-30", "2026-01-01 00:00:60", "2026-01-01", "Thu, 01 Jan 1970 00:00:00 GMT",
    "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "١٢٣", "1_000", "0x10", "x" * 20000,
    [], {}, [[]], [None], [1], ["a"], [{}], {"a": {}}, {"": None}, [[1, 2], [3]], [True, "a", 2.5],
]  # fmt: skip
KEYS = ["", "id", "a", "status", "data", "message", "é", "\u0000", "__class__", "None", "time"]
# Bytes that mean something to one of the formats.
BYTES = [
    b"", b"\0", b"\xff\xfe", b"NaN", b"nan", b"inf", b"-1", b"1e999", b"99999999999999999999",
    b"\n", b"\r\n", b",", b"|", b"#", b'"', b"'", b"<", b"]]>", b"{", b"}", b"[", b" ", b"\xc3",
    b"\xed\xa0\x80", b"2460000.5", b"\x1b[2J", b"T", b"F", b"=", b"1_0", b"\xd9\xa1",
]  # fmt: skip
KINDS = ["text/html", "application/json", "text/plain", "", "application/octet-stream"]
STATUSES = [200, 201, 202, 204, 206, 302, 304, 400, 401, 403, 404, 409, 413, 416, 429, 500, 503]
FITS_CARDS = [
    ("NAXIS", "99"), ("NAXIS1", "-5"), ("NAXIS1", "2147483647"), ("NAXIS2", "9999999999"),
    ("BITPIX", "7"), ("BITPIX", "'a'"), ("TFIELDS", "0"), ("TFIELDS", "900"), ("PCOUNT", "99999"),
    ("GCOUNT", "0"), ("TFORM1", "'1P'"), ("TFORM1", "'9999999K'"), ("TTYPE1", "'NONE'"),
    ("NSIDE", "3"), ("ORDERING", "'NONE'"), ("XTENSION", "'IMAGE'"), ("TUNIT1", "'%%'"),
    ("BSCALE", "'x'"), ("MOCORDER", "99"), ("SIMPLE", "F"), ("DATE-OBS", "'x'"),
]  # fmt: skip


def mutated(rng, exchange):
    """Return an exchange with something changed in its answer, never in what was asked.

    Parameters
    ----------
    rng : random.Random
        Decides what.
    exchange : Exchange
        The answer as it was recorded.
    """
    dice = rng.random()
    if dice < 0.02:
        kind = rng.choice(KINDS)
        headers = [pair for pair in exchange.headers if pair[0].lower() != "content-type"]
        return replace(exchange, headers=(*headers, ("Content-Type", kind)))
    if dice < 0.04:
        return replace(exchange, status=rng.choice(STATUSES))
    if dice < 0.05:
        body = rng.choice([b"", b"{}", b"[]", b"null", b'{"detail":7}', b'"a"', b"<html>x</html>"])
        return replace(exchange, status=rng.choice(STATUSES), body=body)
    return replace(exchange, body=mutated_body(rng, exchange.body))


def mutated_body(rng, body):
    """Return bytes with something changed, in the innermost of what they are packed in."""
    if rng.random() < 0.06:
        return damaged(rng, body)
    if body[:2] == b"\x1f\x8b":
        with_checks = rng.random() < 0.9
        try:
            inner = gzip.decompress(body)
        except (OSError, EOFError, zlib.error):
            return damaged(rng, body)
        return gzip.compress(mutated_body(rng, inner), 1) if with_checks else damaged(rng, body)
    if body[:2] == b"PK":
        return _zip(rng, body)
    if body[:6] == b"SIMPLE":
        return _fits(rng, body)
    if body[:1] in b"{[" and body:
        try:
            return _json(rng, body)
        except (ValueError, RecursionError):
            # Lines of JSON, or text that only begins so.
            pass
    if b"\n" in body:
        return _lines(rng, body)
    return damaged(rng, body)


def damaged(rng, body):
    """Return bytes cut, overwritten, doubled, moved, or replaced."""
    where = rng.randrange(len(body) + 1)
    end = min(len(body), where + rng.choice([1, 1, 2, 8, 100]))
    piece = rng.choice(BYTES)
    return rng.choice([
        lambda: body[:where],
        lambda: body[:where] + piece + body[where:],
        lambda: body[:where] + piece + body[end:],
        lambda: body[:where] + bytes(rng.randrange(256) for _ in range(end - where)) + body[end:],
        lambda: body[where:],
        lambda: body[:where] + body[end:],
        lambda: body + body,
        lambda: body + piece,
        lambda: piece,
        lambda: b"[" * 100_000,
        lambda: b'{"a":' * 5000 + b"1" + b"}" * 5000,
        lambda: b"\xef\xbb\xbf" + body,
        lambda: body.decode("latin-1").encode("utf-16"),
        lambda: b"<!doctype html><title>Sign in</title>",
    ])()  # fmt: skip


def _lines(rng, body):
    if rng.random() < 0.35:
        # A value in its place, of any kind.
        found = list(re.finditer(rb"[^\s,|#<>\"':{}\[\]=]+", body[:200_000]))
        if found:
            word = rng.choice(found)
            piece = rng.choice([*BYTES, *(str(v).encode("utf-8", "replace") for v in VALUES[:70])])
            return body[: word.start()] + piece + body[word.end() :]
    lines = body.split(b"\n")
    n, m = rng.randrange(len(lines)), rng.randrange(len(lines))
    action = rng.randrange(7)
    if action == 0:
        del lines[n]
    elif action == 1:
        lines.insert(n, lines[m])
    elif action == 2:
        lines[n], lines[m] = lines[m], lines[n]
    elif action == 3:
        del lines[n:]
    elif action == 4 and lines[n][:1] in (b"{", b"["):
        try:
            lines[n] = _json(rng, lines[n])
        except (ValueError, RecursionError):
            lines[n] = damaged(rng, lines[n])
    elif action == 5:
        lines[n] = lines[n][: len(lines[n]) // 2]
    else:
        lines[n] = damaged(rng, lines[n])
    return b"\n".join(lines)


def _fits(rng, body):
    if rng.random() < 0.6:
        name, value = rng.choice(FITS_CARDS)
        card = f"{name:8}= {value:>20}".ljust(80).encode()
        places = [
            n for n in range(0, min(len(body), 28800), 80)
            if body[n : n + 8].strip() == name.encode()
        ] or list(range(0, min(len(body), 5760), 80))  # fmt: skip
        where = rng.choice(places)
        return body[:where] + card + body[where + 80 :]
    return damaged(rng, body)


def _zip(rng, body):
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as old:
            members = [(info.filename, old.read(info)) for info in old.infolist()]
    except (zipfile.BadZipFile, zlib.error, OSError):
        return damaged(rng, body)
    n = rng.randrange(len(members))
    name, data = members[n]
    action = rng.randrange(5)
    if action == 0:
        members[n] = (rng.choice(["", "../x", "/etc/x", "a" * 300, "x.txt", "é"]) or "x", data)
    elif action == 1:
        del members[n]
    elif action == 2:
        members.append(("more-" + name, data))
    else:
        members[n] = (name, mutated_body(rng, data))
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as new:
        for name, data in members:
            new.writestr(name, data)
    return file.getvalue()


def _json(rng, body):
    tree = json.loads(body)
    for _ in range(rng.choice([1, 1, 1, 2, 4])):
        tree = _changed(rng, tree)
    text = json.dumps(tree)
    if rng.random() < 0.02:
        # A key that stands twice, which no tree shows.
        text = text.replace("{", '{"id": 7, "id": [], ', 1)
    if rng.random() < 0.02:
        deep = rng.choice([200, 2000, 20000])
        text = text.replace("null", "[" * deep + "]" * deep, 1)
    return text.encode("utf-8", "surrogatepass")


def _nodes(tree):
    """Return all places of a tree, as pairs of a container and a key."""
    places, todo = [], [tree]
    while todo and len(places) < 3000:
        node = todo.pop()
        items = node.items() if isinstance(node, dict) else enumerate(node)
        for key, value in items:
            places.append((node, key))
            if isinstance(value, (dict, list)):
                todo.append(value)
    return places


def _changed(rng, tree):
    if not isinstance(tree, (dict, list)):
        return copy.deepcopy(rng.choice(VALUES))
    places = _nodes(tree)
    if not places or rng.random() < 0.03:
        return rng.choice([
            lambda: copy.deepcopy(rng.choice(VALUES)), lambda: [tree], lambda: {"data": tree},
            lambda: [tree, tree], lambda: list(tree),
        ])()  # fmt: skip
    # A few rows of many would be most of the places: a depth is chosen first, half the time.
    if rng.random() < 0.5 and isinstance(tree, dict):
        shallow = [(tree, key) for key in tree]
        inner = [(v, k) for v in tree.values() if isinstance(v, dict) for k in v]
        places = (shallow + inner) or places
    node, key = rng.choice(places)
    other, there = rng.choice(places)
    value = node[key]
    action = rng.randrange(16)
    if action < 6:
        node[key] = copy.deepcopy(rng.choice(VALUES))
    elif action == 6:
        del node[key]
    elif action == 7 and isinstance(node, dict):
        node[rng.choice(KEYS)] = copy.deepcopy(rng.choice(VALUES))
    elif action == 8 and isinstance(node, dict):
        node[rng.choice(KEYS)] = node.pop(key)
    elif action == 9 and isinstance(node, list):
        node.insert(key, copy.deepcopy(value))
    elif action == 10 and isinstance(node, list):
        rng.shuffle(node)
    elif action == 11:
        node[key] = copy.deepcopy(other[there])
    elif action == 12:
        node[key] = [value]
    elif action == 13:
        node[key] = {rng.choice(KEYS): value}
    elif action == 14:
        node[key] = value if isinstance(value, str) and rng.random() < 0.3 else json.dumps(value)
    elif isinstance(value, bool) or not isinstance(value, (int, float)):
        node[key] = value[: len(value) // 2] if isinstance(value, (str, list)) else None
    else:
        near = [value * 10**6, -value, value + 1, str(value)]
        node[key] = rng.choice(near if abs(value) > 1e300 else [*near, value + 0.5])
    return tree
