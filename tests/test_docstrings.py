"""The docstrings of everything public, as numpydoc validates them: parameters, returns, form."""

import importlib
import inspect
import pkgutil

import pytest

import atlasquery

validate = pytest.importorskip("numpydoc.validate", reason="numpydoc is in the test extra").validate

CLIENTS = {
    "atlasquery.atlas": "AtlasClass",
    "atlasquery.forcedphot": "AtlasForcedClass",
    "atlasquery.alerce": "AlerceClass",
    "atlasquery.lccserver": "LCCServerClass",
    "atlasquery.skyportal": "SkyPortalClass",
}
# What a user looks for in ``help()``: each parameter, and what is returned.
CODES = {"PR01", "PR02", "PR03", "PR06", "PR07", "PR08", "PR09", "PR10", "RT01", "RT03", "SS03"}
# Properties say what they are, and constants are no functions.
NO_RETURNS = ("The ", "Whether ")


def methods():
    for module, name in CLIENTS.items():
        client = getattr(importlib.import_module(module), name)
        for method, value in inspect.getmembers(client, inspect.isfunction):
            if not method.startswith("_") and value.__module__.startswith("atlasquery."):
                yield f"{module}.{name}.{method}"


def functions():
    """Yield the public functions of the lower floors; those of a client are methods or helpers."""
    for found in pkgutil.walk_packages(atlasquery.__path__, "atlasquery."):
        if found.name.endswith("__main__") or found.name.startswith(
            tuple(f"{c}." for c in CLIENTS)
        ):
            continue
        try:
            module = importlib.import_module(found.name)
        except ImportError:
            # A module of an extra that is not installed.
            continue
        for name in getattr(module, "__all__", ()):
            value = getattr(module, name)
            if not inspect.isfunction(value) or value.__module__ != found.name:
                continue
            yield f"{found.name}.{name}"


def faults(path):
    found = validate(path)
    return [
        f"{code} {words}" for code, words in found["errors"]
        if code in CODES and not (code == "RT01" and found["docstring"].startswith(NO_RETURNS))
    ]  # fmt: skip


@pytest.mark.parametrize("path", sorted(methods()))
def test_methods_of_clients(path):
    assert not faults(path)


def test_functions():
    found = {path: faults(path) for path in functions()}
    assert len(found) > 100
    assert not {path: words for path, words in found.items() if words}


def test_what_is_not_documented_is_found():
    def query(self, radius, *, cache=None):
        """Find objects.

        Parameters
        ----------
        radius : float
            The radius.

        Returns
        -------
        int
            A number.
        """

    query.__module__ = __name__
    globals()["query"] = query
    assert any("cache" in fault for fault in faults(f"{__name__}.query"))
