#!/usr/bin/env bash
# astropy's periodograms use the values under the masks of a light curve.
set -euo pipefail
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q astropy==8.0.2
"$work/venv/bin/python" - <<'PY'
import sys

import astropy
import astropy.units as u
import numpy as np
from astropy.timeseries import BoxLeastSquares, LombScargle
from astropy.utils.masked import Masked

print(f"astropy {astropy.__version__}, Python {sys.version.split()[0]}")
rng = np.random.default_rng(1)
days = np.sort(rng.uniform(0, 50, 200))
mag = np.sin(2 * np.pi * days / 3.3) + 0.1 * rng.normal(size=200)
bad = rng.random(200) < 0.3
mag[bad] += 50 * rng.normal(size=bad.sum())
frequency = np.linspace(0.1, 1, 500)
periods = np.linspace(1, 10, 200)
forms = {
    "numpy.ma.array": np.ma.array(mag, mask=bad),
    "Masked ndarray": Masked(mag, mask=bad),
    "Masked Quantity": Masked(mag * u.mag, mask=bad),
}


def lomb_scargle(times, values):
    unit = getattr(values, "unit", None)
    if unit is not None:
        return LombScargle(times * u.day, values).power(frequency / u.day).value
    return LombScargle(times, values).power(frequency)


def box_least_squares(times, values):
    unit = getattr(values, "unit", None)
    if unit is not None:
        return BoxLeastSquares(times * u.day, values).power(periods * u.day, 0.3 * u.day).power.value
    return BoxLeastSquares(times, values).power(periods, 0.3).power


changed = False
for name, periodogram in (("LombScargle", lomb_scargle), ("BoxLeastSquares", box_least_squares)):
    without = periodogram(days[~bad], mag[~bad])
    everything = periodogram(days, mag)
    for form, values in forms.items():
        power = np.asarray(periodogram(days, values))
        ignored = np.allclose(power, everything) and not np.allclose(power, without)
        changed |= not ignored
        print(
            f"{name}, {form}: expected the power of the {np.sum(~bad)} values that are not masked "
            f"(maximum {without.max():.3g}), seen that of all {days.size} (maximum {power.max():.3g})"
            if ignored
            else f"{name}, {form}: the masks are respected"
        )
print("Neither raises nor warns: masked rows have to be removed before the call.")
if changed:
    sys.exit("This has changed.")
PY
