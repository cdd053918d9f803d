#!/usr/bin/env bash
# astropy: a masked Time comes back from a pickle without its mask or values, in a table not at all.
set -euo pipefail
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q astropy==8.0.2
cd "$work"
"$work/venv/bin/python" - <<'PY'
import pickle
import sys

import astropy
import numpy as np
from astropy.table import Table
from astropy.time import Time

print(f"astropy {astropy.__version__}, Python {sys.version.split()[0]}")
seen = Time([60000.0, 60001.0, 60002.0], format="mjd", scale="utc")
seen[1] = np.ma.masked
again = pickle.loads(pickle.dumps(seen))
print(f"mask before: {np.asarray(seen.mask).tolist()}")
try:
    values = again.mjd.tolist()
except Exception as error:
    values = type(error).__name__
print(f"after a pickle: expected the same, seen {np.asarray(again.mask).tolist()}")
print(f"its values: expected 60000.0, masked, 60002.0, seen {values}")
try:
    pickle.loads(pickle.dumps(Table({"seen": seen})))
    table = "read again"
except Exception as error:
    table = f"{type(error).__name__}: {error}"
print(f"a table with this column: expected the same table, seen {table}")
print("multiprocessing, joblib and dask send results as pickles.")
if np.any(again.mask) or table == "read again":
    sys.exit("This has changed.")
PY
