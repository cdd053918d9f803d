"""What importing the package adds to importing astroquery."""

import resource
import subprocess
import sys

from benchmarks.timing import line, paired

__all__ = ["report"]


def report() -> list[str]:
    """Compare whole interpreters."""
    base = _import("import astroquery.query")
    rows = []
    for what in ("import atlasquery", "from atlasquery import Atlas"):
        ours, theirs, ratio = paired(
            _import(f"import astroquery.query; {what}"), base, runs=11, clock=_cpu_of_children
        )
        aim = "<= 60 ms more" if what.startswith("import") else ""
        rows.append(
            line(f"{what}, beside import astroquery.query", ours, theirs, ratio, aim)
            + f"  (+{(ours - theirs) * 1e3:.0f} ms)"
        )
    return rows


def _import(statement: str):
    return lambda: subprocess.run([sys.executable, "-c", statement], check=True)


def _cpu_of_children() -> float:
    # Of the work of the interpreters alone: what else the machine does is left out.
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
