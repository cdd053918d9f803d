"""A call that was killed at any instant, and called again: the catalogue of an undisturbed one."""

import os
import subprocess
import sys
import textwrap

import pytest
from hats_curves import assert_same, over_the_sky

from atlasquery.atlas import AtlasClass
from atlasquery.exceptions import InvalidQueryError
from atlasquery.hats import check_hats, read_hats, to_hats
from atlasquery.service.locks import locked

INSTANTS = 10
# Each call is in a fork of one process, and kills itself before or after it renames something: that
# is where what is on the disk changes its meaning. 0 stands for never.
SCRIPT = textwrap.dedent("""
    import os, pathlib, signal, sys, traceback
    from atlasquery.hats import to_hats

    source, root, instants = sys.argv[1], pathlib.Path(sys.argv[2]), int(sys.argv[3])

    def write(path, last):
        calls = [0]

        def reach_an_instant():
            calls[0] += 1
            if calls[0] == last:
                os.kill(os.getpid(), signal.SIGKILL)

        def counted(rename):
            def renaming(*args, **options):
                reach_an_instant()
                found = rename(*args, **options)
                reach_an_instant()
                return found
            return renaming

        os.replace, pathlib.Path.rename = counted(os.replace), counted(pathlib.Path.rename)
        to_hats(source, path, name="atlas", partition_bytes=2e5, progress=False)
        (root / "calls").write_text(str(calls[0]))

    def status_of_fork(path, last):
        process = os.fork()
        if not process:
            code = 1
            try:
                write(path, last)
                code = 0
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(code)
        return os.waitpid(process, 0)[1]

    assert status_of_fork(root / "whole", 0) == 0
    total = int((root / "calls").read_text())
    assert total > 2 * instants
    for n in range(instants):
        last = 1 + n * (total - 1) // (instants - 1)
        path = root / f"killed{n}"
        assert status_of_fork(path, last) == signal.SIGKILL, n
        assert not path.exists() or last == total, n
        # Killed once more, a little later, if there is as much left to do.
        assert status_of_fork(path, 4) in (0, signal.SIGKILL), n
        assert status_of_fork(path, 0) == 0 or path.exists(), n
""")


def contents(path):
    """Return the bytes of each file, without the date of the catalogue."""
    found = {}
    for file in path.rglob("*"):
        if file.is_file():
            body = file.read_bytes()
            if file.name.endswith("properties"):
                lines = body.splitlines()
                body = [line for line in lines if not line.startswith(b"hats_creation_date")]
            found[str(file.relative_to(path))] = body
    return found


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_killed_at_ten_instants_and_resumed(downloads, tmp_path):
    command = [sys.executable, "-c", SCRIPT, str(downloads), str(tmp_path), str(INSTANTS)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    whole = contents(tmp_path / "whole")
    assert sum(name.endswith(".parquet") for name in whole) > 5
    for n in range(INSTANTS):
        assert contents(tmp_path / f"killed{n}") == whole, n
    assert check_hats(tmp_path / "killed3") == []
    # Nothing of the work in progress is left.
    names = {one.name for one in tmp_path.iterdir()}
    assert names == {"whole", "calls", *(f"killed{n}" for n in range(INSTANTS))}


def test_what_was_written_is_not_written_again(downloads, tmp_path, monkeypatch):
    from atlasquery.hats import writer

    class StoppedError(Exception):
        pass

    def stop(*args):
        raise StoppedError

    monkeypatch.setattr(writer._Writer, "_write_files", stop)
    with pytest.raises(StoppedError):
        to_hats(downloads, tmp_path / "cat", name="atlas", progress=False)
    runs = sorted((tmp_path / "cat.part" / "runs").glob("*.arrow"))
    assert runs
    times = [run.stat().st_mtime_ns for run in runs]
    with pytest.raises(StoppedError):
        to_hats(downloads, tmp_path / "cat", name="atlas", progress=False)
    assert [run.stat().st_mtime_ns for run in runs] == times
    # A damaged one is.
    runs[0].write_bytes(runs[0].read_bytes()[:1000])
    monkeypatch.undo()
    path = to_hats(downloads, tmp_path / "cat", name="atlas", progress=False)
    assert check_hats(path) == []
    found = read_hats(path)
    for key, lc in AtlasClass().read_sources(downloads).items():
        assert_same(found[key], lc)


def test_other_arguments_begin_again(downloads, tmp_path, monkeypatch):
    from atlasquery.hats import writer

    monkeypatch.setattr(writer._Writer, "_publish", lambda self: None)
    to_hats(downloads, tmp_path / "cat", name="atlas", progress=False)
    monkeypatch.undo()
    path = to_hats(downloads, tmp_path / "cat", name="b", columns=["flux"], progress=False)
    assert next(iter(read_hats(path).values())).colnames == ["time", "flux"]
    assert not (path / "atlas").exists()


def test_light_curves_in_memory_begin_again(tmp_path, monkeypatch):
    from atlasquery.hats import writer

    curves = over_the_sky(4)
    monkeypatch.setattr(writer._Writer, "_publish", lambda self: None)
    to_hats(curves, tmp_path / "cat", name="a", progress=False)
    monkeypatch.undo()
    key = next(iter(curves))
    others = {key: curves[key]}
    assert set(read_hats(to_hats(others, tmp_path / "cat", name="a", progress=False))) == {key}


def test_an_old_catalogue_is_there_until_the_new_one_is(tmp_path, monkeypatch):
    from pathlib import Path

    curves = over_the_sky(3)
    path = to_hats(curves, tmp_path / "cat", name="a", progress=False)
    rename = Path.rename

    def fail(self, target):
        if self.name == "catalogue":
            raise KeyboardInterrupt
        return rename(self, target)

    # Between the two renames: the old one has another name, the new one none yet.
    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises(KeyboardInterrupt):
        to_hats(curves, path, name="b", overwrite=True, progress=False)
    monkeypatch.undo()
    assert not path.exists()
    with pytest.raises(InvalidQueryError, match="exists already"):
        to_hats(curves, path, name="c", progress=False)
    assert (path / "b").is_dir()
    assert check_hats(path) == []


def test_two_processes_do_not_write_the_same(tmp_path):
    with (
        locked(tmp_path / "cat.part.lock"),
        pytest.raises(InvalidQueryError, match="written by another process"),
    ):
        to_hats(over_the_sky(2), tmp_path / "cat", name="a", progress=False)


def test_other_files_are_not_touched(tmp_path):
    work = tmp_path / "cat.part"
    work.mkdir()
    (work / "thesis.txt").write_text("mine")
    with pytest.raises(InvalidQueryError, match="has something else"):
        to_hats(over_the_sky(2), tmp_path / "cat", name="a", progress=False)
    assert (work / "thesis.txt").read_text() == "mine"
