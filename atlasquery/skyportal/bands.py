"""The filters of SkyPortal and the bands of surveys: one table for reading and for uploading."""

import numpy as np

__all__ = ["FILTERS", "bands_of"]

#: SkyPortal's name of a filter, by survey and band. SkyPortal names filters as sncosmo does;
#: those that no survey of ours has keep their name as their band.
FILTERS = {
    **{("atlas", band): f"atlas{band}" for band in "co"},
    **{("ztf", band): f"ztf{band}" for band in "gri"},
    **{("lsst", band): f"lsst{band}" for band in "ugrizy"},
}
_BANDS = {name: known for known, name in FILTERS.items()}


def bands_of(filters: np.ndarray, instruments: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the bands of filters, and the surveys they are of.

    Parameters
    ----------
    filters : `~numpy.ndarray` of str
        SkyPortal's names: ``"atlaso"``.
    instruments : `~numpy.ndarray` of str
        The instruments, whose names in small letters stand for the survey where a
        filter is that of no survey: ``"sdssg"`` is one of many telescopes.

    Returns
    -------
    bands, surveys : `~numpy.ndarray` of str
        ``"o"`` and ``"atlas"``.
    """
    known = {name: _BANDS.get(name, (None, name)) for name in set(filters.tolist())}
    pairs = [known[name] for name in filters.tolist()]
    surveys = [
        survey if survey is not None else instrument.strip().lower()
        for (survey, _), instrument in zip(pairs, instruments.tolist(), strict=True)
    ]
    return np.array([band for _, band in pairs], np.str_), np.array(surveys, np.str_)
