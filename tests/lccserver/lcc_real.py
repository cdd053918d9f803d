"""The rows of a real LCC-Server, read without the client that is tested."""

import json
import urllib.parse
import urllib.request


def ask(url, path, fields=None, key=None):
    """Return the body of an answer."""
    body = None if fields is None else urllib.parse.urlencode(fields, doseq=True).encode()
    request = urllib.request.Request(url + path, body)
    if key:
        request.add_header("Authorization", f"Bearer {key}")
    with urllib.request.urlopen(request, timeout=60) as answer:
        return answer.read().decode()


def new_key(url):
    return json.loads(ask(url, "api/key"))["result"]["apikey"]


def all_rows(url):
    """Return all rows of each collection, each with all of its columns."""
    key = new_key(url)
    known = json.loads(ask(url, "api/collections"))["result"]["collections"]
    rows = {}
    for name, count, listed in zip(
        known["db_collection_id"], known["nobjects"], known["columnlist"], strict=True
    ):
        fields = {"collections[]": [name], "filters": "(ndet gt -1)",
                  "columns[]": listed.split(",")}  # fmt: skip
        lines = ask(url, "api/columnsearch", fields, key).splitlines()
        setid = json.loads(lines[0])["result"]["setid"]
        rows[name] = json.loads(ask(url, f"set/{setid}?json=1", key=key))["result"]
        assert len(rows[name]) == count
    return rows
