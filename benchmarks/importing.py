"""What importing the package adds to importing astroquery."""

import subprocess
import sys

from benchmarks.timing import line, paired

__all__ = ["report"]


def report() -> list[str]:
    """Compare whole interpreters."""
    base = _import("import astroquery.query")
    rows = []
    for what in ("import atlasquery", "from atlasquery import Atlas"):
        ours, theirs, ratio = paired(_import(f"import astroquery.query; {what}"), base, runs=11)
        aim = "<= 60 ms more" if what.startswith("import") else ""
        rows.append(
            line(f"{what}, beside import astroquery.query", ours, theirs, ratio, aim)
            + f"  (+{(ours - theirs) * 1e3:.0f} ms)"
        )
    return rows


def _import(statement: str):
    return lambda: subprocess.run([sys.executable, "-c", statement], check=True)
