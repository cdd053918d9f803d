"""What all queries to ALeRCE share: its servers, its words, the form of its ids."""

import json
import re
from collections.abc import Callable

import msgspec

from atlasquery.alerce import conf
from atlasquery.exceptions import InvalidQueryError, LoginError, NotFoundError, RemoteServiceError
from atlasquery.service import ServiceQuery
from atlasquery.service.inputs import check_choice, check_ids, each_id, numbered
from atlasquery.service.pool import run_all
from atlasquery.service.refusals import is_page
from atlasquery.service.secrets import NoAuth
from atlasquery.tables import Columns, Rows, decode_rows

__all__ = ["AlerceQuery", "check_oid", "check_oids", "check_survey", "decode_plain", "plain_json"]

SURVEYS = ("ztf", "lsst")
# "A single oid is an SQL LIKE, a quote in a list is an error 500" (contract): only real names pass.
ZTF_NAME = re.compile(r"ZTF\d\d[a-z]{7}")
# What flask-restx adds to the words of a 404: routes of the server, of no use to a user.
SUGGESTION = re.compile(r"\s*You have requested this URI.*", re.S)
# All that the servers of LSST say of a failure of their own.
WORDLESS = ("An error occurred", "An error occurred.")


class AlerceQuery(ServiceQuery):
    """Base of the queries to ALeRCE.

    Parameters
    ----------
    server : str, optional
        The address of the ZTF API.
    """

    service = "ALeRCE"
    title = "ALeRCE broker"
    environment = "ATLASQUERY_ALERCE"
    conf = conf
    login_required = False

    def __init__(self, server: str | None = None):
        super().__init__(server)
        self.name = "Alerce"

    def _auth(self, *, required: bool) -> tuple[Callable, None]:
        # "no login" (contract); a header that is not theirs makes the servers fail.
        return NoAuth(), None

    def login(self, *args, **kwargs) -> bool:
        """Raise: what ALeRCE serves is open to all.

        Parameters
        ----------
        *args, **kwargs
            Whatever other services take.

        Returns
        -------
        bool
            Never.

        Raises
        ------
        LoginError
            Always.
        """
        raise LoginError("ALeRCE needs no login: all that it serves is public", service="ALeRCE")

    def _fetch(
        self,
        path: str,
        params: dict,
        *,
        decode: Callable,
        server: str | None = None,
        lifetime: float | None = None,
        cache: bool | None = None,
        content: str = "JSON",
        unknown: str = "",
        once: bool = False,
    ) -> tuple:
        """Read from one of the servers; say in plain words what failed.

        `unknown` is what a 404 says is not there; `once` is for what is not worth repeating.
        """
        try:
            return self._read(
                path,
                params,
                decode=decode,
                lifetime=self.conf.object_seconds if lifetime is None else lifetime,
                cache=cache,
                method="GET",
                server=server and _address(server),
                content=content,
                divisible=once,
            )
        except RemoteServiceError as error:
            raise self._reworded(error, unknown) from None

    def _reworded(self, error: RemoteServiceError, unknown: str) -> RemoteServiceError:
        """Return an error without what the server adds for its own developers."""
        known = {"service": self.service, "status": error.status, "url": error.url}
        words = SUGGESTION.sub("", error.reason or "")
        if error.status == 404 and unknown and not is_page(words):
            return NotFoundError(
                f"ALeRCE does not know {unknown} (status 404: {words})", reason=words, **known
            )
        if words in WORDLESS:
            return RemoteServiceError(
                f"ALeRCE failed with status {error.status} at {error.url} and gave no reason. Its "
                "server does so too for an object, a survey or a class that it does not know.",
                reason=words,
                **known,
            )
        return error

    def _each(self, work: Callable, tasks: list, *, progress: bool = True) -> list:
        return run_all(
            work,
            tasks,
            concurrency=self.conf.concurrency,
            interrupt=self._clock.interrupt,
            progress=progress,
        )


def _address(server: str) -> str:
    return server.strip().rstrip("/") + "/"


def decode_plain(columns: Columns, text: bytes) -> Rows:
    """Decode rows that may hold the bare word NaN, which is no JSON.

    Parameters
    ----------
    columns : Columns
        The declaration of the rows.
    text : bytes
        What the server sent.

    Returns
    -------
    Rows
        NaN and infinities are masked.
    """
    return decode_rows(columns, plain_json(text))


def plain_json(text: bytes) -> bytes:
    """Return JSON with null in place of NaN and infinities.

    Parameters
    ----------
    text : bytes
        What the server sent.

    Returns
    -------
    bytes
        The same, where there is none of them.
    """
    if b"NaN" not in text and b"Infinity" not in text:
        return text
    try:
        # The module of the standard library reads these words; msgspec writes null for them.
        return msgspec.json.encode(json.loads(text))
    except (ValueError, OverflowError, RecursionError):
        # What is wrong with it, its decoder says.
        return text


def check_survey(survey: str) -> str:
    """Return the name of a survey, or refuse it.

    Parameters
    ----------
    survey : {"ztf", "lsst"}
        What was given.

    Returns
    -------
    str
        The same.
    """
    return check_choice(survey, name="survey", known=SURVEYS)


def check_oids(oids: object, survey: str, *, name: str = "oids") -> list:
    """Return names of objects as the survey writes them, or refuse them.

    Parameters
    ----------
    oids : str, int, iterable of them, or table with ``oid``
        Names such as ``"ZTF18aaaaaaa"`` for ZTF, whole numbers for LSST.
    survey : {"ztf", "lsst"}
        The survey.
    name : str, optional
        The argument's name, for messages.

    Returns
    -------
    list of str or int
        In the order given.

    Raises
    ------
    InvalidQueryError
        If there is none, or one is no name of the survey's.
    """
    check_survey(survey)
    if survey == "lsst":
        hint = "; for an object of ZTF give survey='ztf'"
        return check_ids(oids, name=name, hint=hint, columns=("oid",))
    values = each_id(oids, name=name, columns=("oid",))
    return [_ztf_name(value, place) for place, value in numbered(values, oids, name=name)]


def check_oid(oid: object, survey: str) -> str | int:
    """Return one name of an object, or refuse it.

    Parameters
    ----------
    oid : str or int
        The name.
    survey : {"ztf", "lsst"}
        The survey.

    Returns
    -------
    str or int
        As the survey writes it.
    """
    found = check_oids(oid, survey, name="oid")
    if len(found) != 1:
        raise InvalidQueryError(f"oid holds {len(found)} objects, where one is taken")
    return found[0]


def _ztf_name(value: object, name: str) -> str:
    text = value.strip() if isinstance(value, str) else ""
    if not ZTF_NAME.fullmatch(text):
        raise InvalidQueryError(
            f"{name}={value!r:.100} is no name of ZTF, such as 'ZTF18acuwwpp'; for an object of "
            "LSST give survey='lsst'"
        )
    return str(text)
