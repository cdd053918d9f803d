#!/usr/bin/env bash
# astropy's FITS writer marks masked integers by a number that valid rows may hold.
set -euo pipefail
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q astropy==8.0.2
cd "$work"
"$work/venv/bin/python" - <<'PY'
import sys

import astropy
import numpy as np
from astropy.table import MaskedColumn, Table

print(f"astropy {astropy.__version__}, Python {sys.version.split()[0]}")
seen = {}
for dtype, valid in (("int64", 999999), ("int32", 999999), ("uint8", 63)):
    # Three rows: an ordinary number, a valid number, and one that is missing.
    column = MaskedColumn(np.array([1, valid, 2], dtype), mask=[False, False, True])
    Table({"n": column}).write("round_trip.fits", overwrite=True)
    seen[dtype] = Table.read("round_trip.fits")["n"].tolist()
    print(f"{dtype}: expected [1, {valid}, None], seen {seen[dtype]}")
print(
    "The writer uses the column's fill value, 999999 by default (63 in a uint8), as TNULL, also\n"
    "where a valid row holds that number: the row comes back masked, without a warning."
)
if seen != {dtype: [1, None, None] for dtype in ("int64", "int32", "uint8")}:
    sys.exit("This has changed.")
PY
