"""The filters of SkyPortal and the bands of surveys: one table for reading and for uploading."""

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from atlasquery.exceptions import InvalidQueryError
from atlasquery.service.inputs import suggest

__all__ = [
    "FILTERS",
    "bandpass_of",
    "bands_of",
    "check_bands",
]

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


def bandpass_of(
    survey: str, band: str, chosen: Mapping[str, str], filters: Collection[str], instrument: str
) -> tuple[str, str]:
    """Return SkyPortal's name of a band.

    Parameters
    ----------
    survey, band : str
        A band of a survey; empty where it is not known.
    chosen : mapping of str to str
        Names that go before `FILTERS`, by band.
    filters : collection of str
        The filters that the instrument has; empty where it has no list of them.
    instrument : str
        The instrument, for messages.

    Returns
    -------
    name : str
        The name, empty where there is none.
    reason : str
        Why there is none.
    """
    if not band:
        return "", "no band"
    # A band that is a filter of the instrument needs no other name.
    name = chosen.get(band) or (band if band in filters else FILTERS.get((survey, band)))
    of = f"the band {band!r}{f' of {survey}' if survey else ''}"
    has = f", which has {', '.join(sorted(filters))}" if filters else ""
    if name is None:
        return "", f"{of} has no known filter on {instrument}{has}; name it with bands="
    if filters and name not in filters:
        return "", f"{of} is {name!r}, which is not a filter of {instrument}{has}"
    return name, ""


def check_bands(
    chosen: Any, present: Collection[str], filters: Collection[str], instrument: str
) -> dict[str, str]:
    """Return names of bands as a user gives them.

    Parameters
    ----------
    chosen : mapping of str to str or None
        The names by band.
    present : collection of str
        The bands of the light curve.
    filters : collection of str
        The filters that the instrument has.
    instrument : str
        The instrument, for messages.

    Returns
    -------
    dict of str to str
        The same; empty for None.

    Raises
    ------
    InvalidQueryError
        If it is no such mapping, or names a band that the light curve has not, or a
        filter that the instrument has not.
    """
    if chosen is None:
        return {}
    texts = isinstance(chosen, Mapping) and all(
        isinstance(text, str) and text for pair in chosen.items() for text in pair
    )
    if not texts:
        raise InvalidQueryError(
            f"bands={chosen!r:.80} should give SkyPortal's name of each band, such as "
            "{'o': 'atlaso'}"
        )
    for band, name in chosen.items():
        if filters and name not in filters:
            raise InvalidQueryError(
                f"bands={dict(chosen)!r:.80} names {name!r}, which is not a filter of {instrument}"
                f"{suggest(name, sorted(filters))}"
            )
        if band not in present:
            raise InvalidQueryError(
                f"bands={dict(chosen)!r:.80} names the band {band!r}, which lc has not: it has "
                f"{', '.join(sorted(map(repr, present))) or 'none'}"
            )
    return dict(chosen)
