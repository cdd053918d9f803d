#!/usr/bin/env bash
# astroquery's XMatch uploads positions in hours as if they were degrees.
set -euo pipefail
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
export HOME="$work"
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q astroquery==0.4.11 astropy==8.0.2
"$work/venv/bin/python" - <<'PY'
import sys

import astropy.units as u
import astroquery
from astropy.coordinates import Angle
from astropy.table import QTable
from astroquery.xmatch import XMatch

print(f"astroquery {astroquery.__version__}, Python {sys.version.split()[0]}")
# The same two stars, with units: 1 h and 13.3 h are 15 and 199.5 degrees.
hours = QTable({"idx": [1, 2], "ra": Angle([1.0, 13.3], "hourangle"), "dec": [-20, 40] * u.deg})
degrees = QTable({"id": [1, 2], "ra": [15.0, 199.5] * u.deg, "dec": [-20, 40] * u.deg})
_, upload = XMatch.query_async(
    cat1=hours, cat2=degrees, max_distance=2 * u.arcsec, get_query_payload=True,
    colRA1="ra", colDec1="dec", colRA2="ra", colDec2="dec",
)
sent = [line.split(",")[1] for line in upload["files"]["cat1"][1].split()[1:]]
print(f"expected the right ascensions 15.0 and 199.5, or an error; seen in the upload: {sent}")
print("The request names no unit, so the service treats hours as degrees, and finds nothing or other objects.")
if sent != ["1.0", "13.3"]:
    sys.exit("This has changed.")
PY
