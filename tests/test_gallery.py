"""The gallery has all that the package draws."""

from pathlib import Path

import atlasquery.lightcurve
from atlasquery import AlerceClass, Alert, AtlasSource, Findings

PAGE = Path(__file__).parents[1] / "docs" / "gallery.rst"


def drawing(owner):
    """Return the names of the public functions of a module or a class that draw."""
    return {
        name for name in dir(owner) if name.startswith("plot") and callable(getattr(owner, name))
    }


def test_each_function_that_draws_is_in_the_gallery():
    text = PAGE.read_text(encoding="utf-8")
    functions = {
        name for name in drawing(atlasquery.lightcurve) if name in atlasquery.lightcurve.__all__
    }
    assert {"plot", "plot_many", "plot_interactive"} <= functions
    assert not {name for name in functions | {"sparkline"} if name not in text}


def test_each_method_that_draws_is_in_the_gallery():
    text = PAGE.read_text(encoding="utf-8")
    methods = {
        name for owner in (AlerceClass, Alert, AtlasSource, Findings) for name in drawing(owner)
    }
    assert {"plot", "plot_stamps"} <= methods
    assert not {name for name in methods if f".{name}(" not in text}
