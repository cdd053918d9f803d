"""From bytes to light curves, compared with json of the standard library and pandas."""

import json
from functools import partial
from time import process_time

import msgspec
import pandas as pd

from atlasquery.atlas.columns import DETECTION, FORCED, NON_DETECTION
from atlasquery.atlas.items import decode_items, product_rows
from atlasquery.atlas.source import AtlasSource
from benchmarks.bodies import full_history
from benchmarks.timing import line
from benchmarks.timing import paired as paired_clock

PRODUCTS = {"lc": DETECTION, "lcnondets": NON_DETECTION, "fp": FORCED}
MANY = 100

# Decoding only computes, so CPU time is measured.
paired = partial(paired_clock, clock=process_time)


def report() -> list[str]:
    """Decode one object, one of its products, and many objects."""
    item, origin = full_history()
    one, many = b"[" + item + b"]", b"[" + b",".join([item] * MANY) + b"]"
    rows = [f"decoding {origin}, {len(item) / 1e3:.0f} kB"]

    def source() -> AtlasSource:
        (parts,) = decode_items(one)
        return AtlasSource(parts, window=(None, None), meta={})

    def curves():
        decoded = source()
        return decoded.light_curve, decoded.forced_photometry

    def frames():
        (entry,) = json.loads(one)
        return [pd.DataFrame(entry[product]) for product in PRODUCTS]

    def stacked():
        items = decode_items(many)
        return [product_rows(columns, items, name) for name, columns in PRODUCTS.items()]

    def stacked_frames():
        entries = json.loads(many)
        return [
            pd.DataFrame([row for entry in entries for row in entry[product]])
            for product in PRODUCTS
        ]

    parse = paired(lambda: msgspec.json.decode(one), frames)
    limit = f"parsing alone: {parse[2]:.2f}"
    rows.append(
        line("light curve and forced photometry", *paired(curves, frames), "<= 0.45", limit)
    )
    rows.append(line("object of which no product is asked for", *paired(source, frames), ""))
    rows.append(
        line(
            f"{MANY} objects, stacked columns", *paired(stacked, stacked_frames, runs=5), "<= 0.15"
        )
    )
    return rows
