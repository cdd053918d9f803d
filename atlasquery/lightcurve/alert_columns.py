"""What the fields of alert packets of ZTF and LSST are: public name, unit, missing values."""

import re

import astropy.units as u

__all__ = [
    "LSST_NAMES",
    "ZTF_BANDS",
    "ZTF_FORCED_UNITS",
    "ZTF_OBJECT",
    "ZTF_PLACEHOLDERS",
    "ZTF_UNITS",
    "lsst_unit",
]

UJY_PER_NJY = 1e-3
#: Numbers of ZTF's filters.
ZTF_BANDS = {1: "g", 2: "r", 3: "i"}


def _units(**names: str) -> dict[str, u.UnitBase]:
    """Return the unit of each name, from lists of names by unit."""
    return {name: u.Unit(unit) for unit, several in names.items() for name in several.split()}


#: Units of the fields of a candidate of ZTF; others have none, or it is not stated.
ZTF_UNITS = _units(
    mag="diffmaglim magpsf sigmapsf magap sigmagap magapbig sigmagapbig magnr sigmagnr magdiff "
    "magfromlim ssmagnr magzpsci magzpsciunc magzpscirms zpmed clrmed clrrms maggaia "
    "maggaiabright sgmag1 srmag1 simag1 szmag1 sgmag2 srmag2 simag2 szmag2 sgmag3 srmag3 simag3 "
    "szmag3",
    deg="ra dec ranr decnr",
    pix="xpos ypos distnr fwhm mindtoedge aimage bimage",
    arcsec="ssdistnr distpsnr1 distpsnr2 distpsnr3 neargaia neargaiabright",
    day="jdstarthist jdendhist jdstartref jdendref",
    DN="sky",
    s="exptime",
)
#: Units of the fields of its forced photometry, where distnr is not in pixels.
ZTF_FORCED_UNITS = _units(
    mag="diffmaglim magzpsci magzpsciunc magzpscirms magnr sigmagnr",
    deg="ranr decnr",
    arcsec="distnr adpctdif1 adpctdif2",
    pix="sciinpseeing",
    DN="scibckgnd scisigpix forcediffimflux forcediffimfluxunc",
    s="exptime",
)
#: Fields of a candidate of ZTF that are of the object and of what is near it, not of the exposure.
ZTF_OBJECT = (
    *("ndethist", "ncovhist", "jdstarthist", "jdendhist", "jdstartref", "jdendref", "nframesref"),
    "nmtchps",
    *(f"{name}{n}" for n in (1, 2, 3) for name in (
        "objectidps", "sgmag", "srmag", "simag", "szmag", "sgscore", "distpsnr"
    )),
    *("neargaia", "neargaiabright", "maggaia", "maggaiabright"),
)  # fmt: skip
#: Fields in which -999 stands for none.
ZTF_PLACEHOLDERS = frozenset(
    (*ZTF_OBJECT, "ssdistnr", "ssmagnr", "magnr", "sigmagnr", "chinr", "sharpnr", "distnr",
     "magdiff", "diffmaglim", "magpsf", "sigmapsf", "magap", "sigmagap", "magapbig", "sigmagapbig",
     "rb", "drb", "classtar", "ranr", "decnr")
)  # fmt: skip

#: Fields of LSST by their names since the schema 9.0, for those that had others before.
LSST_NAMES = {
    "midPointTai": "midpointMjdTai",
    "filterName": "band",
    "psFlux": "psfFlux",
    "psFluxErr": "psfFluxErr",
    "psLnL": "psfLnL",
    "psChi2": "psfChi2",
    "psNdata": "psfNdata",
    "totFlux": "scienceFlux",
    "totFluxErr": "scienceFluxErr",
    "decl": "dec",
    "declErr": "decErr",
    "ra_decl_Cov": "ra_dec_Cov",
    "is_negative": "isNegative",
}
_LSST_UNITS = (
    (r"(.*[fF]lux|fpBkgd|.*FluxDiff)(Err|Mean|MeanErr|Sigma|Min|Max|ErrMean)?", u.nJy),
    (r"[ugrizy]_\w*MaxSlope", u.nJy / u.day),
    (r"(ra|dec|(trail|dipole)(Ra|Dec|Angle))(Err)?", u.deg),
    (r"ra_dec_Cov", u.deg**2),
    (r"[xy](Err)?", u.pix),
    (r"(trail|dipole)Length(Err)?", u.arcsec),
    (r"i[xy][xy](PSF|Err)?", u.arcsec**2),
    (r"\w+(MjdTai|Tai)", u.day),
    (r"exposureTime", u.s),
)
_COMPILED = [(re.compile(pattern), unit) for pattern, unit in _LSST_UNITS]


def lsst_unit(name: str) -> u.UnitBase | None:
    """Return the unit of a field of LSST.

    Parameters
    ----------
    name : str
        Its name, as in `LSST_NAMES`.

    Returns
    -------
    `~astropy.units.UnitBase` or None
        None if it has none, or it is not known.
    """
    return next((unit for pattern, unit in _COMPILED if pattern.fullmatch(name)), None)
