"""A plain HTTP client for contract tests, so that no client of this package hides a difference."""

import pytest
import requests


class Wire:
    """Requests to one server."""

    def __init__(self, server):
        self.server = server
        self.session = requests.Session()

    def __call__(self, method, path, *, user="reader", headers=None, **options):
        headers = {"Accept": "application/json", **(headers or {})}
        if user:
            headers.setdefault("Authorization", f"Token {self.server.token(user)}")
        url = self.server.url + path
        return self.session.request(
            method, url, headers=headers, allow_redirects=False, timeout=60, **options
        )

    def post(self, path, data=None, **options):
        return self("POST", path, data=data, **options)

    def json(self, path, data=None, *, status=200, **options):
        response = self.post(path, data, **options)
        assert response.status_code == status, response.text[:300]
        return response.json()

    def item(self, identifier, **parameters):
        return self.json("objects/", {"objects": identifier, **parameters})[0]

    def main(self):
        """Return ids of the objects around 150 +2.2."""
        return self.server.ids("main")

    def page(self, path, data=None, *, status, **options):
        """Check that the reply is one of the server's HTML pages."""
        response = self.post(path, data, **options)
        assert response.status_code == status
        assert response.headers["Content-Type"] == "text/html; charset=utf-8"
        assert f"Error {status}" in response.text


@pytest.fixture(scope="module")
def wire(server):
    """Requests to each server in turn."""
    wire = Wire(server)
    yield wire
    wire.session.close()


@pytest.fixture(scope="module")
def rich(wire):
    """An object that has everything: detections, limits, forced photometry, names."""
    for identifier in wire.server.manifest["all_ids"]:
        item = wire.item(identifier, mjd=99999)
        if item["tns_crossmatches"] and item["sherlock_crossmatches"]:
            item = wire.item(identifier)
            if all(item.values()) and len(item["fp"]) > 20:
                return item
    pytest.fail("no object has all blocks")
