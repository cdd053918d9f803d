#!/usr/bin/env bash
# astroquery's Vizier sends one position as two, some 15 mas apart, by the type that carries it.
set -euo pipefail
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
export HOME="$work"
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q astroquery==0.4.11 astropy==8.0.2
"$work/venv/bin/python" - <<'PY'
import re
import sys

import astropy.units as u
import astroquery
from astropy.coordinates import SkyCoord
from astropy.table import Table
from astroquery.vizier import Vizier

print(f"astroquery {astroquery.__version__}, Python {sys.version.split()[0]}")
position = SkyCoord([10.0] * u.deg, [-20.0] * u.deg)
table = Table({"_RAJ2000": position.ra, "_DEJ2000": position.dec})


def sent(target):
    """Return the position that the request holds, and whether it names a frame."""
    payload = Vizier.query_region_async(
        target, radius=2 * u.arcsec, catalog="I/355", get_query_payload=True
    )
    ra, dec = map(float, re.search(r"^(\d+\.\d+)([+-]\d+\.\d+)$", payload, re.MULTILINE).groups())
    return SkyCoord(ra, dec, unit="deg"), "-c.eq" in payload


(by_coordinates, frame), (by_table, _) = sent(position), sent(table)
apart = by_coordinates.separation(by_table).to(u.mas)
print("expected the same numbers for both, or the name of the frame")
print(
    f"seen, from a SkyCoord: {by_coordinates.to_string('decimal', precision=8)} (FK5, the default), "
    f"from a Table: {by_table.to_string('decimal', precision=8)}: {apart:.1f} apart, "
    f"frame named: {frame}"
)
if frame or not 10 * u.mas < apart < 30 * u.mas:
    sys.exit("This has changed.")
PY
