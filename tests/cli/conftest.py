"""The command in this process, against the sandbox, as a user without a history."""

import pytest

click = pytest.importorskip("click")

from astropy.config import paths  # noqa: E402
from click.testing import CliRunner  # noqa: E402


@pytest.fixture
def run(sandbox, tmp_path, monkeypatch):
    """Run a command line; the result has exit_code, stdout and stderr."""
    from atlasquery.cli import main

    for name, value in sandbox.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cache").mkdir()

    def run(*arguments, **options):
        return CliRunner().invoke(
            main, [str(a) for a in arguments], prog_name="atlasquery", **options
        )

    with paths.set_temp_cache(tmp_path / "cache"):
        yield run
