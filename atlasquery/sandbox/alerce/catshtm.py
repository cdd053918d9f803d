"""Catalogues of catsHTM around one position, in both forms that its server sends."""

from ..http import RefusedRequest, Response
from .contents import separation_arcsec
from .rows import Row
from .searches import Params

__all__ = ["CATALOGUES", "query_catalogues"]

_PLACE = (150.1, 2.2)
# The server may send what lies far beyond the radius.
_FARTHEST = 60.0
_Fields = dict[str, tuple[str, object]]
#: The fields of a source of each catalogue, with unit and value.
CATALOGUES: dict[str, _Fields] = {
    "GAIA/DR1": {"RA": ("deg", 150.1), "Dec": ("deg", 2.2), "MagG": ("mag", 17.0),
                 "ErrRA": ("mas", 0.4), "ExcessNoise": (" ", "infinity")},
    "DECaLS": {"RA": ("deg", 150.1), "Dec": ("deg", 2.2), "Flux_W1": ("nanomaggies", 36.7),
               "Flux_u": ("nanomaggies", "null"), "type": ("null", 2.0)},
    "SDSS/DR10": {"RA": ("deg", 150.1), "Dec": ("deg", 2.2), "modelMag_g": ("magAB", 18.0),
                  "mjd": ("MJD", 52226.0), "errRA": ("arcse", 0.01)},
    "SpecSDSS": {"RA": ("deg", 150.1), "Dec": ("deg", 2.2), "z": (" ", 0.1006335),
                 "elodieFeH": ("FeH", 0.1), "elodieLogG": ("logg", 4.4),
                 "velDisp": ("km/s", 199.5)},
}  # fmt: skip
# The names that the server takes, for those that it answers with.
_ALIASES = {"GAIADR1": "GAIA/DR1", "SDSSDR10": "SDSS/DR10"}


def query_catalogues(path: str, params: Params) -> object:
    """Return what one catalogue or all have around a position.

    Parameters
    ----------
    path : {"conesearch", "conesearch_all", "crossmatch", "crossmatch_all"}
        The route.
    params : dict of str to list of str
        The parameters of the query.

    Returns
    -------
    dict or list
        The response.

    Raises
    ------
    RefusedRequest
        If the catalogue is not known.
    """
    distance = separation_arcsec(float(params["ra"][0]), float(params["dec"][0]), *_PLACE)
    present = distance <= float(params["radius"][0])
    separation: _Fields = {"distance": ("arcsec", distance)}
    if path == "conesearch_all":
        found = [{name: _many(f)} for name, f in CATALOGUES.items()] if present else []
        return {"catalogs": found}
    if path == "crossmatch_all":
        if distance > _FARTHEST:
            return []
        return [{name: _single({**f, **separation})} for name, f in CATALOGUES.items()]
    name = _ALIASES.get(params["catalog"][0], params["catalog"][0])
    if name not in CATALOGUES:
        raise RefusedRequest(Response(500, "Internal Server Error", "text/plain; charset=utf-8"))
    if path == "conesearch":
        return {name: _many(CATALOGUES[name])} if present else {}
    return _single({**CATALOGUES[name], **separation}) if distance <= _FARTHEST else {}


def _many(fields: _Fields) -> Row:
    return {key: {"units": unit, "values": [value, value]} for key, (unit, value) in fields.items()}


def _single(fields: _Fields) -> Row:
    return {key: {"unit": unit, "value": value} for key, (unit, value) in fields.items()}
