"""No packet, however damaged, ends with anything but a documented error.

``ATLASQUERY_FUZZ_ALERTS`` sets how many packets are tried, and ``ATLASQUERY_FUZZ_SEED`` which.
"""

import gzip
import os
import random
import sys
import traceback
import warnings
from collections import Counter
from pathlib import Path

import pytest

pytest.importorskip("fastavro", reason="the avro extra is not installed")

sys.path.insert(0, str(Path(__file__).parents[1] / "lightcurve"))

from alert_packets import (
    LSST_NUMBERS,
    bare,
    container,
    lsst_packet,
    lsst_schema,
    wire,
    ztf_packet,
    ztf_schema,
)
from mutations import damaged

from atlasquery import read_alerts
from atlasquery.exceptions import InvalidQueryError, TableParseError

COUNT = int(os.environ.get("ATLASQUERY_FUZZ_ALERTS", "120"))
SEED = int(os.environ.get("ATLASQUERY_FUZZ_SEED", "20261129"))
TYPED = (InvalidQueryError, TableParseError)
LIMIT = 50_000_000
# Most damage would be in the pixels of the stamps.
WITHOUT_STAMPS = {f"cutout{kind}": None for kind in ("Difference", "Science", "Template")}
SCHEMAS = {version: lsst_schema(version) for version in LSST_NUMBERS}


def packets():
    """Return packets of each kind, each with a schema to read it with."""
    ztf, several = ztf_schema(), [ztf_packet(candid=n, **WITHOUT_STAMPS) for n in (4, 5, 6)]
    found = [
        (container(ztf, [ztf_packet()]), None),
        (container(ztf, several, sync_interval=1), None),
        (container(ztf, several, "deflate"), None),
        (gzip.compress(container(ztf, several)), None),
        (bare(ztf, ztf_packet(**WITHOUT_STAMPS)), ztf),
        (container(SCHEMAS["11.1"], [lsst_packet("11.1")]), None),
    ]
    for version, schema in SCHEMAS.items():
        packet = lsst_packet(version, **WITHOUT_STAMPS)
        found.append((container(schema, [packet]), None))
        found.append((wire(LSST_NUMBERS[version], schema, packet), schema))
    return found


def flipped(rng, body):
    """Return bytes of which some bits are others, most of them where the numbers are."""
    changed = bytearray(body)
    for _ in range(rng.choice([1, 1, 2, 5, 30])):
        at = rng.randrange(len(changed)) if rng.random() < 0.5 else rng.randrange(
            min(len(changed), 4000))  # fmt: skip
        changed[at] ^= 1 << rng.randrange(8)
    return bytes(changed)


def use(alert):
    """Look at all that an alert has."""
    for part in ("light_curve", "object", "stamps", "coordinates", "time", "object_id", "alert_id"):
        try:
            getattr(alert, part)
        except TableParseError as error:
            assert "packet" in str(error), error
    repr(alert)


def attempt(body, schema):
    """Read all packets; return how many could be read."""
    found = 0
    reader = read_alerts(body, schema=schema, on_error="warn", max_bytes=LIMIT)
    for alert in reader:
        use(alert)
        found += 1
    for error in reader.failures:
        assert "packet" in str(error), error
    return f"{found} read" if found else "none read"


def test_damaged_packets():
    rng, known = random.Random(SEED), packets()
    outcomes, untyped = Counter(), {}
    for n in range(COUNT):
        body, schema = rng.choice(known)
        dice = rng.random()
        if dice < 0.55:
            body = flipped(rng, body)
        elif dice < 0.75:
            body = body[: rng.randrange(len(body) + 1)]
        elif dice < 0.9:
            body = damaged(rng, body)
        elif schema is not None:
            schema = rng.choice([*SCHEMAS.values(), ztf_schema()])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                outcomes[attempt(body, schema)] += 1
            except TYPED as error:
                outcomes[type(error).__name__] += 1
            except Exception as error:
                frames = traceback.extract_tb(error.__traceback__)[-1]
                place = f"{type(error).__name__} at {frames.filename}:{frames.lineno}"
                untyped.setdefault(place, (n, traceback.format_exc()[-1500:]))
                outcomes["untyped"] += 1
    print(f"\n{COUNT} packets: {dict(outcomes)}")
    assert not untyped, "\n\n".join(f"{place} {example}" for place, example in untyped.items())
    assert outcomes["TableParseError"] and outcomes["1 read"]
