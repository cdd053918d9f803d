#!/usr/bin/env bash
# mocpy keeps an empty range that it is given: the MOC differs from one of the same region.
set -euo pipefail
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q mocpy==0.21.0
cd "$work"
"$work/venv/bin/python" - <<'PY'
import sys

import mocpy
import numpy as np

print(f"mocpy {mocpy.__version__}, Python {sys.version.split()[0]}")
ranges = np.array([[8, 8], [16, 32]], dtype=np.uint64)
with_empty = mocpy.MOC.from_depth29_ranges(max_depth=29, ranges=ranges)
without = mocpy.MOC.from_depth29_ranges(max_depth=29, ranges=ranges[1:])
kept = with_empty.to_depth29_ranges.tolist()
print(f"expected the range [8, 8), which has nothing, to be left out, seen {kept}")
print(f"equal to the MOC of the other range alone: expected True, seen {with_empty == without}")
print("Leave out empty ranges before a MOC is made of them: MOCs that are compared differ otherwise.")
if kept != [[8, 8], [16, 32]] or with_empty == without:
    sys.exit("This has changed.")
PY
