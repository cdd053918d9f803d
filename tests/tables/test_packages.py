"""Packages that only some functions need."""

import math

import pytest

from atlasquery.regions.cells import library
from atlasquery.tables.packages import require


def test_a_module_that_is_installed_is_returned():
    assert require("math", "hats") is math
    assert library("scipy.special").erfcx(0.0) == 1


def test_the_message_has_the_name_under_which_a_package_is_installed():
    right = r"^this needs not-a-package: pip install 'atlasquery\[hats\]' \(.*not_a_package"
    with pytest.raises(ImportError, match=right) as raised:
        require("not_a_package.core", "hats")
    assert raised.value.name == "not_a_package"
    with pytest.raises(ImportError, match=r"^HEALPix cells need cdshealpix: .*\[regions\]"):
        library("cdshealpix.not_a_module")
