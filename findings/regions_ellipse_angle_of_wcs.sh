#!/usr/bin/env bash
# regions turns an ellipse from the axes of the image, not from those of the frame of its centre.
set -euo pipefail
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q regions==0.12 astropy==7.2.0
cd "$work"
"$work/venv/bin/python" - <<'PY'
import sys

import astropy
import astropy.units as u
import regions
from astropy.coordinates import SkyCoord
from astropy.wcs import WCS

print(f"regions {regions.__version__}, astropy {astropy.__version__}, Python {sys.version.split()[0]}")
centre = SkyCoord(l=120 * u.deg, b=-30 * u.deg, frame="galactic")


def image(longitude, latitude, middle):
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = [f"{longitude}-TAN", f"{latitude}-TAN"]
    wcs.wcs.crval = middle
    wcs.wcs.crpix = 500, 500
    wcs.wcs.cdelt = -0.001, 0.001
    return wcs


# A long ellipse along galactic longitude, and a position of it that is far from the centre.
long = regions.EllipseSkyRegion(centre, width=0.4 * u.deg, height=0.02 * u.deg, angle=0 * u.deg)
inside = centre.spherical_offsets_by(0.15 * u.deg, 0 * u.deg)
galactic = image("GLON", "GLAT", (centre.l.deg, centre.b.deg))
equatorial = image("RA--", "DEC-", (centre.icrs.ra.deg, centre.icrs.dec.deg))
seen = [bool(long.contains(inside, wcs)) for wcs in (galactic, equatorial)]
print(f"expected the same position inside on both images, seen: galactic {seen[0]}, equatorial {seen[1]}")
print(
    "The angle is taken from the longitude axis of the image that is used for the question. Convert\n"
    "the angle to the frame of the image first, or cut by separation and position angle."
)
if seen != [True, False]:
    sys.exit("This has changed.")
PY
