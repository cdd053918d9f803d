"""Ask a server for what does not fit into memory, and print the error and the memory used.

Run as a program of its own with a JSON object of ``kind``, ``url`` and ``limit``.
"""

import json
import re
import resource
import sys
import warnings
from pathlib import Path

from atlasquery.exceptions import RemoteServiceError, TableParseError

MEGABYTE = 1e6


def used():
    """Return the most memory that this program has had, in MB."""
    status = Path("/proc/self/status")
    if status.exists():
        # The other count is also of the process that this one was forked from.
        return int(re.search(r"VmHWM:\s*(\d+) kB", status.read_text())[1]) * 1024 / MEGABYTE
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / MEGABYTE


def stamp(url, limit):
    from atlasquery.alerce import AlerceClass, conf

    conf.max_answer_bytes, conf.retries, conf.stamp_server = limit, 0, url
    return lambda: AlerceClass().get_stamps("ZTF18acuwwpp", 1234567890123456789, cache=False)


def sky_map(url, limit):
    from atlasquery.skyportal import SkyPortalClass, conf

    conf.max_answer_bytes, conf.retries = limit, 0
    client = SkyPortalClass(url)
    return lambda: client.get_localization("2026-01-01T00:00:00", name="x", cache=False)


def read(url, limit):
    from atlasquery.lccserver import LCCServerClass, conf

    conf.max_answer_bytes, conf.retries = limit, 0
    return LCCServerClass(url).list_collections


def main(kind, url, limit):
    warnings.simplefilter("ignore")
    ask = {"stamp": stamp, "sky map": sky_map, "read": read}[kind](url, limit)
    before = used()
    try:
        ask()
    except (RemoteServiceError, TableParseError) as error:
        print(json.dumps([type(error).__name__, str(error), before, used()]))


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
