"""The mapping that bulk reads return."""

import pytest

from atlasquery.service.collection import ResultMapping


def test_keys_are_what_was_asked_for_and_failures_have_reasons():
    found = ResultMapping("things", key=int)
    found._products[7] = "seven"
    found.failures.append((8, ValueError("broken")))
    assert found["7"] == found[7] == "seven"
    assert list(found) == [7] and len(found) == 1
    with pytest.raises(KeyError, match="8 failed: broken"):
        found[8]
    with pytest.raises(KeyError, match="9 was not requested"):
        found[9]
    with pytest.raises(KeyError, match="x"):
        found["x"]
    assert repr(found) == "<Collection of 1 things, 1 failed>"
