"""Print all benchmarks: milliseconds of atlasquery and of the alternative, and their ratio."""

from astroquery import log

from benchmarks import (
    alerce,
    bulk,
    combine,
    crossmatch,
    decoding,
    find,
    forced,
    forced_queue,
    hats,
    importing,
    lcc,
    lightcurves,
    network,
    skyportal,
    update,
    within,
)

PARTS = (
    decoding,
    lightcurves,
    combine,
    network,
    importing,
    bulk,
    update,
    crossmatch,
    forced,
    forced_queue,
    alerce,
    lcc,
    skyportal,
    find,
    within,
    hats,
)


def main() -> None:
    """Run all benchmarks in turn."""
    log.setLevel("WARNING")
    print(f"{'':<68}{'ours':>9}{'other':>9}{'ratio':>8}  aim")
    for part in PARTS:
        print("\n".join(part.report()), end="\n\n", flush=True)


if __name__ == "__main__":
    main()
