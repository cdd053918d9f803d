#!/usr/bin/env bash
# astropy: Time refuses NaN in its first number, and takes it in the second, unmasked.
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
from astropy.time import Time
from astropy.timeseries import TimeSeries

print(f"astropy {astropy.__version__}, Python {sys.version.split()[0]}")
days, parts = np.array([60000.0, 60001.0, 60002.0]), np.array([0.25, 0.5, 0.75])
unknown = np.array([False, True, False])
outcomes = {}
for name, first, second in (
    ("first", np.where(unknown, np.nan, days), parts),
    ("second", days, np.where(unknown, np.nan, parts)),
):
    try:
        outcomes[name] = Time(first, second, format="mjd", scale="utc")
        seen = f"{outcomes[name].mjd.tolist()}, masked: {outcomes[name].mask.tolist()}"
    except ValueError as error:
        seen = f"{type(error).__name__}: {error}".replace("\n", " ")
    print(f"NaN in the {name} number: expected the same for both, seen {seen}")
accepted = outcomes.get("second")
if accepted is not None:
    series = TimeSeries(time=accepted, data={"flux": [1.0, 2.0, 3.0]})
    later = series[series["time"] >= Time(60000.0, format="mjd", scale="utc")]
    print(f"rows of 3 from the day before the first on: {len(later)}, and nothing is said of a NaN")
if "first" in outcomes or accepted is None or np.any(accepted.mask) or len(later) != 2:
    sys.exit("This has changed.")
PY
