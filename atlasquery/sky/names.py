"""The kinds of names of objects, by their form: which service can know one."""

import re
from numbers import Integral

from atlasquery.alerce.base import ZTF_NAME
from atlasquery.atlas.base import ID_DIGITS
from atlasquery.atlas.names import atlas_name, tns_name
from atlasquery.exceptions import InvalidQueryError
from atlasquery.service.inputs import LARGEST_ID, check_names
from atlasquery.sky.terms import Kind

__all__ = ["kind_of", "read_name", "spelled"]

# Ids of LSST have 15 digits or more, those of ATLAS always 19.
LSST_DIGITS = 15
# Collections of an LCC-Server: HAT-198-0835489, HATS551-027, K2-EPIC-201234567.
LCC_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]{1,9}(-[A-Za-z0-9]{1,6})?-\d{3,}")


def read_name(value: object, *, name: str = "name") -> str:
    """Return a name or an id as a string, or refuse it.

    Parameters
    ----------
    value : str or int
        A name or an id.
    name : str, optional
        The argument's name, for messages.

    Returns
    -------
    str
        The name without blanks around it.

    Raises
    ------
    InvalidQueryError
        If it is empty, has a character that is not allowed, or is a number that cannot be an id.
    """
    if isinstance(value, Integral) and not isinstance(value, bool):
        value = str(int(value))
    (text,) = check_names(value, name=name)
    is_id = len(text) >= LSST_DIGITS and text.isdecimal() and int(text) <= LARGEST_ID
    if re.fullmatch(r"[+-]?\d+", text) and not is_id:
        raise InvalidQueryError(
            f"{name}={text} is not an id: ATLAS has {ID_DIGITS} digits, LSST {LSST_DIGITS} to 19; "
            "for a position give a SkyCoord"
        )
    return text


def kind_of(name: str) -> Kind:
    """Return the kind of a name.

    Parameters
    ----------
    name : str
        A name, as `read_name` returns it.

    Returns
    -------
    Kind
        The kind; a number of 19 digits may be an id of ATLAS or of LSST.

    Examples
    --------
    >>> from atlasquery.sky.names import kind_of
    >>> kind_of("SN 2026ahw").value, kind_of("ZTF18acuwwpp").value, kind_of("M 31").value
    ('TNS', 'ZTF', 'other')
    """
    if name.isdecimal():
        return Kind.ATLAS_ID if len(name) == ID_DIGITS else Kind.LSST
    if atlas_name(name):
        return Kind.ATLAS
    if tns_name(name):
        return Kind.TNS
    if ZTF_NAME.fullmatch(name):
        return Kind.ZTF
    return Kind.LCC if LCC_NAME.fullmatch(name) else Kind.OTHER


def spelled(name: str) -> str:
    """Return a name in one spelling, by which two spellings of it are known to be the same.

    Parameters
    ----------
    name : str
        A name.

    Returns
    -------
    str
        The name of the TNS without AT or SN, all others without blanks and in lower case.
    """
    return tns_name(name) or re.sub(r"\s+", "", name).lower()
