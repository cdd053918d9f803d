"""What uploaded rows, such as those of SkyPortal, say of their flux: of a difference, or total."""

from typing import Any

import msgspec
import numpy as np
from astropy.table import Table

from atlasquery.lightcurve.time_reference import FORCED_ORIGINS

__all__ = ["is_uploaded", "uploaded_kinds"]

# Columns that only light curves of uploaded rows have.
_COLUMNS = ("origin", "altdata")
# The server adds the flux of the reference image to the flux, so that this is of a difference.
_REFERENCES = ("ref_flux", "tot_flux", "magref", "magtot")
# What the packet of an alert is named by: alerts are measured in difference images.
_ALERTS = {"ztf": ("candid",), "lsst": ("diaSourceId",)}
# Surveys whose services of forced photometry measure difference images, if not asked otherwise.
# LSST measures both.
_FORCED = ("atlas", "ztf")
_KINDS = ("difference", "total")


def is_uploaded(columns: Any) -> bool:
    """Return whether a light curve has rows that somebody uploaded, each with its own origin.

    Parameters
    ----------
    columns : mapping
        Its columns.

    Returns
    -------
    bool
        True for those of SkyPortal.
    """
    return all(name in columns for name in _COLUMNS)


def uploaded_kinds(lc: Table) -> np.ndarray:
    """Return what the flux of uploaded rows is.

    Parameters
    ----------
    lc : `~astropy.table.Table`
        A light curve for which `is_uploaded` is true.

    Returns
    -------
    `~numpy.ndarray` of str
        ``"difference"`` or ``"total"`` where the uploader names it as ``flux_kind`` in
        ``altdata``; ``"difference"`` where the row has the flux of a reference image, is of an
        alert of ZTF or LSST, or is forced photometry of ATLAS or ZTF; else ``"unknown"``. A row
        without a flux is what the rows of the same survey, instrument and origin are.
    """
    survey, origin = (_texts(lc[name]) for name in ("survey", "origin"))
    forced = np.isin(np.strings.lower(origin), FORCED_ORIGINS) & np.isin(survey, _FORCED)
    with_reference = np.zeros(len(lc), bool)
    for name in _REFERENCES:
        if name in lc.columns:
            with_reference |= ~_missing(lc[name])
    kinds = np.where(forced | with_reference, "difference", "unknown").astype("U10")
    for n, text in enumerate(_texts(lc["altdata"]).tolist()):
        if text:
            kinds[n] = _kind_of(text, survey[n]) or kinds[n]
    return _with_limits(lc, survey, origin, kinds)


def _kind_of(text: str, survey: str) -> str:
    """Return what ``altdata`` says of one row; empty if nothing."""
    try:
        sent = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return ""
    if not isinstance(sent, dict):
        return ""
    if (kind := sent.get("flux_kind")) in _KINDS:
        return str(kind)
    alert = any(sent.get(key) not in (None, "") for key in _ALERTS.get(survey, ()))
    return "difference" if alert else ""


def _with_limits(
    lc: Table, survey: np.ndarray, origin: np.ndarray, kinds: np.ndarray
) -> np.ndarray:
    """Return the kinds with those of rows without a flux, by the others of their uploader."""
    unknown = kinds == "unknown"
    limits = _missing(lc["flux"]) & unknown
    if not limits.any():
        return kinds
    names = [survey, origin]
    if "instrument" in lc.columns:
        names.append(_texts(lc["instrument"]))
    group = np.zeros(len(lc), int)
    for values in names:
        _, code = np.unique(values, return_inverse=True)
        group = group * (int(code.max()) + 1) + code
    for one in np.unique(group[limits]).tolist():
        given = set(kinds[(group == one) & ~limits].tolist())
        if len(given) == 1:
            kinds[limits & (group == one)] = given.pop()
    return kinds


def _texts(column: Any) -> np.ndarray:
    """Return a column as strings, empty where masked."""
    values = np.asarray(np.ma.filled(np.ma.asarray(column), ""))
    return values.astype(np.str_, copy=False)


def _missing(column: Any) -> np.ndarray:
    values = np.asarray(getattr(getattr(column, "unmasked", column), "value", column))
    mask = np.asarray(getattr(column, "mask", False))
    return np.isnan(values.astype(float)) | mask
