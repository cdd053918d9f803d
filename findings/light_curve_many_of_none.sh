#!/usr/bin/env bash
# light-curve has features of a light curve without rows, NaN, but an error for no light curves.
# LSDB calls each mapped function with an empty frame first, to learn its columns.
set -euo pipefail
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q light-curve==0.13.3 numpy==2.4.6 pyarrow==24.0.0
cd "$work"
"$work/venv/bin/python" - <<'PY'
import sys
from importlib.metadata import version

import light_curve
import numpy as np
import pyarrow as pa

print(f"light-curve {version('light-curve')}, Python {sys.version.split()[0]}")
extract = light_curve.Extractor(light_curve.Amplitude(), light_curve.Eta())
rows = pa.StructArray.from_arrays([pa.array([], pa.float64())] * 3, ["t", "flux", "error"])
fields = {"t": "t", "m": "flux", "sigma": "error"}


def features(ends):
    curves = pa.ListArray.from_arrays(pa.array(ends, pa.int32()), rows)
    try:
        return extract.many(curves, arrow_fields=fields, sorted=True, fill_value=np.nan).shape
    except ValueError as error:
        return f"ValueError: {error}"


one, none = features([0, 0]), features([0])
print(f"one light curve without rows: seen an array of shape {one}")
print(f"no light curves: expected an array of shape (0, 2), seen {none}")
print("A function for LSDB returns its empty frame before it asks light-curve.")
if one != (1, 2) or none != "ValueError: lcs is empty":
    sys.exit("This has changed.")
PY
