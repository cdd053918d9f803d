"""The rules of cleaning as data: columns of each threshold, and presets of thresholds."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import astropy.units as u

from atlasquery.lightcurve.flags import Flag

__all__ = ["COMPANIONS", "PRESETS", "RULES", "UNITS", "Bound", "Preset", "Rule"]


@dataclass(frozen=True)
class Bound:
    """A threshold.

    Parameters
    ----------
    value : float
        In the unit of its rule.
    strict : bool, optional
        Whether a value that is equal to it is flagged too.
    """

    value: float
    strict: bool = False


@dataclass(frozen=True)
class Rule:
    """What a threshold looks at.

    Parameters
    ----------
    kind : {"min", "max", "equal", "group"}
        What a good value is; rules of groups have separate code.
    columns : tuple of str
        The columns needed; a row is flagged where one of them is not good.
    flag : Flag
        The bit that is set.
    unit : `~astropy.units.UnitBase`, optional
        The unit of the threshold.
    missing : bool, optional
        Whether a masked value is flagged; otherwise the row is not judged by the rule.
    """

    kind: str
    columns: tuple[str, ...]
    flag: Flag
    unit: u.UnitBase | None = None
    missing: bool = False


@dataclass(frozen=True)
class Preset:
    """Thresholds that are used together.

    Parameters
    ----------
    about : str
        Whose they are.
    bounds : mapping of str to Bound
        The thresholds by the name of their rule.
    optional : frozenset of str, optional
        Those that do not apply to a light curve without their column.
    detects : bool, optional
        Whether a flagged row is a non-detection, and any other a detection.
    survey : str, optional
        The survey whose rows they judge in a light curve of several; by default all rows.
    """

    about: str
    bounds: Mapping[str, Bound]
    optional: frozenset[str] = field(default_factory=frozenset)
    detects: bool = False
    survey: str = ""


_DETECTOR = ("x", "y")
_PSF = ("psf_major", "psf_minor")
_FLUX = ("flux", "flux_err")
_BIN = ("band", *_FLUX)

RULES = {
    "flux_err_max": Rule("max", ("flux_err",), Flag.LARGE_ERROR, u.uJy),
    "flux_err_min": Rule("min", ("flux_err",), Flag.NO_ERROR, u.uJy, missing=True),
    "error_code": Rule("equal", ("error_code",), Flag.ERROR_CODE),
    "detector_min": Rule("min", _DETECTOR, Flag.EDGE, u.pix),
    "detector_max": Rule("max", _DETECTOR, Flag.EDGE, u.pix),
    "psf_min": Rule("min", _PSF, Flag.PSF, u.pix),
    "psf_max": Rule("max", _PSF, Flag.PSF, u.pix),
    "aperture_correction_min": Rule("min", ("aperture_correction",), Flag.APERTURE, u.mag),
    "aperture_correction_max": Rule("max", ("aperture_correction",), Flag.APERTURE, u.mag),
    "limiting_mag_min": Rule("min", ("limiting_mag",), Flag.SHALLOW, u.mag),
    "sky_brightness_min": Rule("min", ("sky_brightness",), Flag.SKY, u.mag / u.arcsec**2),
    "reduced_chi2_max": Rule("max", ("reduced_chi2",), Flag.CHI2),
    "duplicate_min": Rule("min", ("duplicate",), Flag.DUPLICATE),
    "snr_min": Rule("min", _FLUX, Flag.LOW_SNR),
    "mag_below_limit_max": Rule("max", ("flux", "limiting_mag"), Flag.BELOW_LIMIT, u.mag),
    "infobits_max": Rule("max", ("infobitssci",), Flag.ERROR_CODE),
    "pixel_noise_max": Rule("max", ("scisigpix",), Flag.SKY, u.adu),
    "seeing_max": Rule("max", ("sciinpseeing",), Flag.PSF, u.pix),
    "rolling_sigma": Rule("group", ("band", "flux"), Flag.OUTLIER),
    "rolling_window": Rule("group", ("band", "flux"), Flag.OUTLIER),
    "bin_width": Rule("group", _BIN, Flag.BAD_BIN, u.day),
    "bin_sigma": Rule("group", _BIN, Flag.OUTLIER),
    "bin_chi2_max": Rule("group", _BIN, Flag.BAD_BIN),
    "bin_clipped_max": Rule("group", _BIN, Flag.BAD_BIN),
    "bin_good_min": Rule("group", _BIN, Flag.BAD_BIN),
    "control_chi2_max": Rule("group", ("exposure",), Flag.CONTROL),
    "control_snr_max": Rule("group", ("exposure",), Flag.CONTROL),
    "control_clipped_max": Rule("group", ("exposure",), Flag.CONTROL),
    "control_good_min": Rule("group", ("exposure",), Flag.CONTROL),
}

#: The units of columns that are judged and are not of every light curve.
UNITS = {
    name: rule.unit
    for rule in RULES.values()
    if rule.unit is not None and rule.kind != "group"
    for name in rule.columns
    if name not in ("flux", "flux_err", "limiting_mag")
}


def _open(**bounds: float) -> dict[str, Bound]:
    """Return bounds that good values are not equal to."""
    return {name: Bound(value, strict=True) for name, value in bounds.items()}


def _closed(**bounds: float) -> dict[str, Bound]:
    """Return bounds that good values may be equal to."""
    return {name: Bound(value) for name, value in bounds.items()}


_ON_DETECTOR = _open(detector_min=100, detector_max=10460, psf_min=1.6, psf_max=5)
_APERTURE = _open(aperture_correction_min=-1, aperture_correction_max=-0.1)

PRESETS = {
    "atlas": Preset(
        "Light curves and forced photometry of the ATLAS Transient Server",
        _closed(duplicate_min=0, reduced_chi2_max=100)
        | _ON_DETECTOR
        | _APERTURE
        | _open(limiting_mag_min=17),
        # The first stands in light curves only, the others in forced photometry only.
        optional=frozenset(["duplicate_min", *_APERTURE]),
        survey="atlas",
    ),
    "faq": Preset(
        "The FAQ of the ATLAS forced photometry server",
        _open(flux_err_max=10000)
        | _closed(error_code=0)
        | _ON_DETECTOR
        | _APERTURE
        | _open(limiting_mag_min=17, sky_brightness_min=17),
        survey="atlas",
    ),
    "plot_atlas_fp": Preset(
        "plot_atlas_fp, by D. Young",
        _closed(flux_err_max=4000, reduced_chi2_max=100, rolling_sigma=3, rolling_window=11),
        survey="atlas",
    ),
    "skyportal": Preset(
        "SkyPortal, which makes non-detections of what it flags",
        _closed(snr_min=3, reduced_chi2_max=10, mag_below_limit_max=0) | _open(flux_err_min=0),
        detects=True,
    ),
    "ztf_forced": Preset(
        "ZTF's forced photometry service, by Masci et al. 2023",
        # Bit 25 says that pixels near the object are bad.
        _open(infobits_max=2**25) | _closed(pixel_noise_max=25, seeing_max=4),
        survey="ztf",
    ),
    "atclean": Preset(
        "ATClean, by S. Rest et al.",
        _closed(
            flux_err_max=160,
            reduced_chi2_max=10,
            bin_width=1,
            bin_sigma=3,
            bin_chi2_max=4,
            bin_clipped_max=1,
            bin_good_min=2,
            control_chi2_max=2.5,
            control_snr_max=3,
            control_clipped_max=2,
            control_good_min=4,
        ),
        survey="atlas",
    ),
}

#: What rules of groups need beside the threshold that was given, by the start of their names. The
#: first of each decides: with None for it, this rule is disabled.
COMPANIONS = {
    "rolling_": _closed(rolling_sigma=3, rolling_window=11),
    "bin_": _closed(bin_width=1, bin_sigma=3),
    "control_": {
        name: bound
        for name, bound in PRESETS["atclean"].bounds.items()
        if name.startswith("control_")
    },
}
