"""Work kept in a file by one process, and taken up by another."""

import pytest

from atlasquery.exceptions import InvalidQueryError
from atlasquery.service.journal import append_change, read_journal, write_journal


def made(content, place):
    return content["numbers"], place


def test_what_is_kept_is_taken_up(tmp_path):
    path = tmp_path / "work.json"
    write_journal(path, {"format": 3, "numbers": [1, 2]}, what="work")
    assert read_journal(path, made, version=3, what="work") == ([1, 2], path)
    assert path.stat().st_mode & 0o077 == 0, "others may not read it"


def changes(content, place):
    return content.get("changes", [])


def test_changes_are_added_and_taken_up_in_order(tmp_path):
    path = tmp_path / "work.json"
    write_journal(path, {"format": 3, "numbers": [1, 2]}, what="work")
    assert read_journal(path, changes, version=3, what="work") == []
    first = path.read_bytes()
    for n in range(3):
        append_change(path, {"n": n, "words": "a\nb"}, what="work")
    assert path.read_bytes().startswith(first), "what is there is not written again"
    found = read_journal(path, changes, version=3, what="work")
    assert found == [{"n": n, "words": "a\nb"} for n in range(3)]
    assert path.stat().st_mode & 0o077 == 0, "others may not read it"
    write_journal(path, {"format": 3, "numbers": [4]}, what="work")
    assert read_journal(path, changes, version=3, what="work") == []


def test_a_change_that_was_broken_off_takes_no_other_with_it(tmp_path):
    path = tmp_path / "work.json"
    write_journal(path, {"format": 3, "numbers": [1, 2]}, what="work")
    append_change(path, {"n": 0}, what="work")
    whole = path.read_bytes()
    append_change(path, {"n": 1}, what="work")
    for end in range(len(whole), len(path.read_bytes()) + 1):
        path.write_bytes((whole + b'\n{"n": 1}')[:end])
        known = [{"n": 0}] if end < len(whole) + 9 else [{"n": 0}, {"n": 1}]
        assert read_journal(path, changes, version=3, what="work") == known
        append_change(path, {"n": 2}, what="work")
        assert read_journal(path, changes, version=3, what="work") == [*known, {"n": 2}]


def test_a_change_of_what_is_gone_is_said(tmp_path):
    with pytest.raises(FileNotFoundError):
        append_change(tmp_path / "none.json", {}, what="work")
    with pytest.raises(InvalidQueryError, match="the work cannot be written to"):
        append_change(tmp_path, {}, what="work")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('{"format": 2, "numbers": []}', "its format is 2"),
        ('{"format": 3}', "numbers"),
        ('{"format": 3, "numb', "Unterminated|Expecting"),
        ("[]", "list indices"),
        ('{"format": 3, "numbers": []} and more', "'and more' follows it|' and more' follows it"),
    ],
)
def test_what_is_something_else_is_refused(tmp_path, content, words):
    path = tmp_path / "work.json"
    path.write_text(content)
    with pytest.raises(
        InvalidQueryError, match=rf"is not a file of work written by save\(\): .*({words})"
    ):
        read_journal(path, made, version=3, what="work")


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InvalidQueryError, match="cannot be read: No such file"):
        read_journal(tmp_path / "none.json", made, version=3, what="work")
    with pytest.raises(InvalidQueryError, match="the work cannot be written to"):
        write_journal(tmp_path / "none" / "work.json", {}, what="work")
