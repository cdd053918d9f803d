"""Names of transients: what they look like, and how the server spells them."""

import re

__all__ = ["atlas_name", "tns_name"]

# Both grew letters as the years got fuller: ATLAS16bk, ATLAS20bbfr; SN 1987A, AT 2020tjh.
ATLAS = re.compile(r"ATLAS\s*(\d{2}[a-z]{2,})", re.IGNORECASE)
TNS = re.compile(r"(?:AT|SN|TDE|FRB)?\s*((?:19|20)\d{2})([a-z]{1,5})", re.IGNORECASE)


def atlas_name(name: str) -> str | None:
    """Return an ATLAS designation as the survey spells it, or None if it is none.

    Parameters
    ----------
    name : str
        A name.

    Returns
    -------
    str or None
        Such as ``"ATLAS20bbfr"``.
    """
    found = ATLAS.fullmatch(name)
    return f"ATLAS{found[1].lower()}" if found else None


def tns_name(name: str) -> str | None:
    """Return a name of the Transient Name Server without AT or SN, or None if it is none.

    Parameters
    ----------
    name : str
        A name.

    Returns
    -------
    str or None
        Such as ``"2020tjh"``, or ``"1987A"``: a single letter is a capital.
    """
    found = TNS.fullmatch(name)
    if not found:
        return None
    letters = found[2].upper() if len(found[2]) == 1 else found[2].lower()
    return found[1] + letters
