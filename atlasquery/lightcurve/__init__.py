"""The light curve that all surveys share: its columns, and pictures of it."""

from atlasquery.lightcurve.plot import plot
from atlasquery.lightcurve.schema import SCHEMA, build_light_curve, flux_to_mag, mag_to_flux

__all__ = ["SCHEMA", "build_light_curve", "flux_to_mag", "mag_to_flux", "plot"]
