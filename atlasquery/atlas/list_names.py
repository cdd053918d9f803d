"""Names and numbers of the lists of the survey, and of those in the configuration."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from numbers import Integral

from atlasquery.exceptions import InvalidQueryError
from atlasquery.service.inputs import suggest

__all__ = ["MOVABLE", "AtlasList", "find_list", "known_lists"]


@dataclass(frozen=True)
class AtlasList:
    """A list of objects.

    Parameters
    ----------
    number : int
        Its number, in the numbering of detection lists or in that of custom lists.
    name : str
        Its name.
    about : str
        What is on it.
    aliases : tuple of str, optional
        Other names for it.
    custom : bool, optional
        Whether it is a custom list. An object is on one detection list at most,
        and on any number of custom lists.
    """

    number: int
    name: str
    about: str
    aliases: tuple[str, ...] = ()
    custom: bool = False

    @property
    def kind(self) -> str:
        """The numbering, for messages."""
        return "custom list" if self.custom else "detection list"


DETECTION_LISTS = (
    AtlasList(0, "garbage", "Bogus detections."),
    AtlasList(1, "follow_up", "Confirmed transients.", ("followup", "confirmed")),
    AtlasList(2, "good", "Good candidates."),
    AtlasList(3, "possible", "Possible candidates, and those that a bot has put off."),
    AtlasList(4, "eyeball", "Candidates that nobody has judged yet.", ("pending",)),
    AtlasList(5, "attic", "Candidates that were put aside."),
    AtlasList(6, "stars", "Variable stars.", ("star",)),
    AtlasList(7, "agn", "Active galactic nuclei."),
    AtlasList(8, "fasttrack", "Fast track.", ("fast_track",)),
    AtlasList(9, "movers", "Moving objects.", ("mover",)),
    AtlasList(10, "magellanic_clouds", "Objects in the Magellanic Clouds.", ("mcs",)),
    AtlasList(11, "pm_stars", "Stars of high proper motion.", ("pmstars",)),
    AtlasList(12, "galcand", "Galactic candidates.", ("galactic_candidates", "gal_cand")),
    AtlasList(13, "duplicates", "Objects that the survey has twice.", ("duplicate",)),
)

#: The lists to which a client can move an object: see docs/servers/atlas.rst, "Only three lists
#: can be a target".
MOVABLE = (3, 4, 12)

# No endpoint lists them, so users can add names: see docs/servers/atlas.rst, "Custom lists have no
# directory".
CUSTOM_LISTS = (
    # The survey's bots use new names for these lists of southern targets.
    AtlasList(
        2,
        "mookodi",
        "Targets of Mookodi, southern and within 100 Mpc.",
        ("south_transients_100mpc",),
        custom=True,
    ),
    AtlasList(14, "salt", "Targets of the Southern African Large Telescope.", custom=True),
    AtlasList(
        16,
        "mookodi_live",
        "Targets of Mookodi, of these the bright ones.",
        ("bright_south_transients_100mpc",),
        custom=True,
    ),
    AtlasList(
        17,
        "mookodi_peak",
        "Targets of Mookodi, southern and at their peak.",
        ("south_transients_peak",),
        custom=True,
    ),
    AtlasList(40, "cv", "Cataclysmic variables.", custom=True),
    AtlasList(56, "mdwarf", "M dwarfs.", ("m_dwarf",), custom=True),
    AtlasList(72, "heloise", "List of a member of the survey.", custom=True),
    AtlasList(73, "vra", "List of the Virtual Research Assistant.", custom=True),
)


def known_lists(configured: Iterable[str]) -> list[AtlasList]:
    """Return all lists: detection lists, then custom ones, then those of the configuration.

    Parameters
    ----------
    configured : iterable of str
        The value of ``conf.custom_lists``: ``"mylist=74, other=80"``, in one string or several.

    Returns
    -------
    list of AtlasList
        No name twice: a name in the configuration replaces a predefined custom list.

    Raises
    ------
    InvalidQueryError
        If an entry is not a name and a number, a name has two numbers, or is that of a
        detection list: a write and a read would go to different lists.
    """
    user_lists: dict[str, AtlasList] = {}
    for entry in (entry for text in configured for entry in text.split(",") if entry.strip()):
        one = _configured_list(entry)
        other = user_lists.setdefault(one.name, one)
        if other.number != one.number:
            raise InvalidQueryError(
                f"conf.custom_lists gives {one.name!r} two numbers, {other.number} and {one.number}"
            )
    predefined = [
        replace(one, aliases=tuple(alias for alias in one.aliases if alias not in user_lists))
        for one in CUSTOM_LISTS
        if one.name not in user_lists
    ]
    return [*DETECTION_LISTS, *predefined, *user_lists.values()]


def _configured_list(entry: str) -> AtlasList:
    name, _, number = entry.partition("=")
    if not re.fullmatch(r"[a-z]\w*", _spelled(name)) or not re.fullmatch(r"\s*\d{1,9}\s*", number):
        raise InvalidQueryError(
            f"conf.custom_lists holds {entry.strip()!r}, which should be a name and a number, "
            "such as 'mylist=74'"
        )
    word = _spelled(name)
    for one in DETECTION_LISTS:
        if word == one.name or word in one.aliases:
            raise InvalidQueryError(
                f"conf.custom_lists holds {entry.strip()!r}, but {word!r} is the detection list "
                f"{one.number}: take another name"
            )
    return AtlasList(int(number), word, "From conf.custom_lists.", custom=True)


def _spelled(name: str) -> str:
    return re.sub(r"[\s-]+", "_", name.strip().lower())


def find_list(name: str | int, *, custom: bool | None, known: list[AtlasList]) -> AtlasList:
    """Return the list of a name or a number.

    Parameters
    ----------
    name : str or int
        A name in any case, or a number.
    custom : bool or None
        Which numbering it is of. By default a detection list is preferred
        where both have it.
    known : list of AtlasList
        All lists, detection lists first.

    Returns
    -------
    AtlasList
        The list.

    Raises
    ------
    InvalidQueryError
        If there is no such list.
    """
    if custom not in (None, True, False):
        raise InvalidQueryError(f"custom={custom!r} should be True, False or None")
    if isinstance(name, str) and name.strip().isdecimal():
        name = int(name)
    if isinstance(name, str):
        word = _spelled(name)
        found = [one for one in known if word == one.name or word in one.aliases]
    elif isinstance(name, Integral) and not isinstance(name, bool):
        found = [one for one in known if one.number == name]
    else:
        raise InvalidQueryError(f"name={name!r} should be the name or the number of a list")
    right = [one for one in found if custom is None or one.custom == custom]
    if not right:
        raise InvalidQueryError(_no_list(name, custom, found, known))
    return right[0]


def _no_list(name: str | int, custom: bool | None, found: list, known: list[AtlasList]) -> str:
    if found:
        needed = "custom list" if custom else "detection list"
        return f"name={name!r} is a {found[0].kind}, where a {needed} is needed"
    allowed = [one for one in known if custom is None or one.custom == custom]
    word = _spelled(name) if isinstance(name, str) else ""
    word = word if re.fullmatch(r"[a-z]\w*", word) else "mylist"
    remedy = (
        "list_lists() shows those that are known; give the number of another custom list a name: "
        f"from atlasquery.atlas import conf; conf.custom_lists = ['{word}=74']"
    )
    if isinstance(name, str):
        near = suggest(word, _names(allowed))
        near += " Otherwise, " if near.endswith("?") else ". "
        return f"name={name!r} is not a list of ATLAS{near}{remedy}"
    custom_numbers = ", ".join(f"{one.number} ({one.name})" for one in known if one.custom)
    return (
        f"name={name!r} is not a list of ATLAS: detection lists are 0 to "
        f"{len(DETECTION_LISTS) - 1}, custom lists {custom_numbers}; {remedy}"
    )


def _names(lists: list[AtlasList]) -> list[str]:
    return [one.name for one in lists] + [alias for one in lists for alias in one.aliases]
