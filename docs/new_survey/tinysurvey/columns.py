"""What Tiny sends: key, type, public name, unit and meaning of each column."""

import astropy.units as u

from atlasquery.tables import Column, Columns

__all__ = ["MEASUREMENT", "OBJECT"]

OBJECT = Columns(
    "an object",
    Column("id", str, to="object_id", about="Name of the object.", required=True),
    Column("ra", unit=u.deg, about="Right ascension, ICRS.", required=True),
    Column("dec", unit=u.deg, about="Declination, ICRS.", required=True),
)
MEASUREMENT = Columns(
    "a measurement",
    Column("mjd", unit=u.day, about="Middle of the exposure, UTC.", required=True),
    Column("filter", str, to="band", about="Filter, g or r.", required=True),
    Column("flux_njy", unit=u.nJy, about="Difference flux, signed."),
    Column("err_njy", unit=u.nJy, about="Error of flux_njy."),
    Column("seeing", unit=u.arcsec, about="FWHM of the image."),
)
