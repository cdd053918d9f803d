"""Work kept in a file by one process, and taken up by another."""

import pytest

from atlasquery.exceptions import InvalidQueryError
from atlasquery.service.kept import keep, take_up


def made(content, place):
    return content["numbers"], place


def test_what_is_kept_is_taken_up(tmp_path):
    path = tmp_path / "work.json"
    keep(path, {"format": 3, "numbers": [1, 2]}, what="work")
    assert take_up(path, made, version=3, what="work") == ([1, 2], path)
    assert path.stat().st_mode & 0o077 == 0, "others may not read it"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('{"format": 2, "numbers": []}', "its format is 2"),
        ('{"format": 3}', "numbers"),
        ('{"format": 3, "numb', "Unterminated|Expecting"),
        ("[]", "list indices"),
    ],
)
def test_what_is_something_else_is_refused(tmp_path, content, words):
    path = tmp_path / "work.json"
    path.write_text(content)
    with pytest.raises(InvalidQueryError, match=rf"holds no work kept by save\(\): .*({words})"):
        take_up(path, made, version=3, what="work")


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InvalidQueryError, match="cannot be read: No such file"):
        take_up(tmp_path / "none.json", made, version=3, what="work")
    with pytest.raises(InvalidQueryError, match="the work cannot be kept in"):
        keep(tmp_path / "none" / "work.json", {}, what="work")
