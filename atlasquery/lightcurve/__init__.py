"""Light curves of all surveys: common columns, cleaning, averages, plots and files."""

from atlasquery.lightcurve.alert import Alert, AlertReader, read_alert, read_alerts
from atlasquery.lightcurve.baseline import TEMPLATE_CHANGES, subtract_baseline
from atlasquery.lightcurve.binning import bin
from atlasquery.lightcurve.brokers import from_pandas
from atlasquery.lightcurve.clean import clean
from atlasquery.lightcurve.colours import colour
from atlasquery.lightcurve.combine import combine
from atlasquery.lightcurve.convert import limits, phase_fold, signal_to_noise, to_flux, to_mag
from atlasquery.lightcurve.export import to_lightkurve, to_nested, to_pandas, to_sncosmo
from atlasquery.lightcurve.features import first_detection, last_non_detection, peak, rise_rate
from atlasquery.lightcurve.files import read, write
from atlasquery.lightcurve.flags import Flag
from atlasquery.lightcurve.interactive import plot_interactive
from atlasquery.lightcurve.light_curves import LightCurves
from atlasquery.lightcurve.plot import plot
from atlasquery.lightcurve.plot_pages import plot_many
from atlasquery.lightcurve.schema import (
    SCHEMA,
    Conventions,
    build_light_curve,
    flux_to_mag,
    mag_to_flux,
)
from atlasquery.lightcurve.sparkline import sparkline
from atlasquery.lightcurve.stacking import stack
from atlasquery.lightcurve.summary import summary
from atlasquery.lightcurve.ztf_forced import read_ztf_forced

__all__ = [
    "SCHEMA",
    "TEMPLATE_CHANGES",
    "Alert",
    "AlertReader",
    "Conventions",
    "Flag",
    "LightCurves",
    "bin",
    "build_light_curve",
    "clean",
    "colour",
    "combine",
    "first_detection",
    "flux_to_mag",
    "from_pandas",
    "last_non_detection",
    "limits",
    "mag_to_flux",
    "peak",
    "phase_fold",
    "plot",
    "plot_interactive",
    "plot_many",
    "read",
    "read_alert",
    "read_alerts",
    "read_ztf_forced",
    "rise_rate",
    "signal_to_noise",
    "sparkline",
    "stack",
    "subtract_baseline",
    "summary",
    "to_flux",
    "to_lightkurve",
    "to_mag",
    "to_nested",
    "to_pandas",
    "to_sncosmo",
    "write",
]
