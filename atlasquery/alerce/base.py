"""What all queries to ALeRCE share: its servers, its errors, the form of its ids."""

import contextlib
import json
import os
import re
from collections.abc import Callable
from string import Formatter
from typing import Any

import msgspec

from atlasquery.alerce import conf
from atlasquery.exceptions import (
    InvalidQueryError,
    LoginError,
    NotFoundError,
    RemoteServiceError,
    TableParseError,
    TimeoutError,
)
from atlasquery.service import ServiceQuery
from atlasquery.service.address import checked_address
from atlasquery.service.forks import ForkSafeLock
from atlasquery.service.http_errors import is_page
from atlasquery.service.inputs import check_choice, check_ids, each_id, numbered, suggest
from atlasquery.service.pool import run_all
from atlasquery.service.secrets import NoAuth
from atlasquery.tables import Columns, Rows, decode_rows

__all__ = [
    "AlerceQuery",
    "Oid",
    "check_oid",
    "check_oids",
    "check_survey",
    "decode_entry",
    "decode_json_words",
    "decode_plain",
    "one_or_all",
    "plain_json",
]

SURVEYS = ("ztf", "lsst")
# Others are patterns or errors: see docs/servers/alerce.rst, "Lists of names".
ZTF_NAME = re.compile(r"ZTF\d\d[a-z]{7}")
# What flask and flask-restx add to the message of a 404: addresses, of no use to a user.
SUGGESTION = re.compile(
    r"\s*(You have requested this URI|The requested URL was not found|If you entered the URL).*",
    re.S,
)
#: The paths of the servers, below the address that ``conf`` has; ``conf.routes`` replaces them.
ROUTES = {
    "objects": "objects/",
    "object": "objects/{oid}",
    "detections": "objects/{oid}/detections",
    "non_detections": "objects/{oid}/non_detections",
    "light_curve": "objects/{oid}/lightcurve",
    "magstats": "objects/{oid}/magstats",
    "probabilities": "objects/{oid}/probabilities",
    "features": "objects/{oid}/features",
    "feature": "objects/{oid}/features/{name}",
    "classifiers": "classifiers/",
    "v2_detections": "detections/{oid}",
    "v2_light_curve": "lightcurve/{oid}",
    "v2_forced_photometry": "forced-photometry/{oid}",
    "lsst_objects": "object_api/list_objects",
    "lsst_object": "object_api/object",
    "lsst_known": "lightcurve_api/conesearch/objects_by_oid",
    "lsst_near": "lightcurve_api/conesearch/objects_by_coordinates",
    "lsst_detections": "lightcurve_api/detections",
    "lsst_non_detections": "lightcurve_api/non_detections",
    "lsst_forced_photometry": "lightcurve_api/forced-photometry",
    "lsst_light_curve": "lightcurve_api/lightcurve",
    "lsst_probabilities": "probability_api/probability",
    "lsst_classifiers": "classifier_api/classifiers",
    "lsst_stamp": "stamps_api/stamp",
    "stamp": "get_stamp",
    "avro": "get_avro",
    "catshtm_conesearch": "conesearch",
    "catshtm_conesearch_all": "conesearch_all",
    "catshtm_crossmatch": "crossmatch",
    "catshtm_crossmatch_all": "crossmatch_all",
}
# The item of conf that has the address of a route's server, by how the route's name begins.
SERVERS = {
    "lsst": "lsst_server",
    "v2": "light_curve_server",
    "stamp": "stamp_server",
    "avro": "stamp_server",
    "catshtm": "catshtm_server",
}
# Messages of the servers of LSST that give no reason.
WITHOUT_REASON = ("An error occurred", "An error occurred.")
#: The name of an object of ZTF, or the number of one of LSST.
Oid = str | int


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
        # The least number of rows of a full page, by server.
        self._least_rows: dict[str, int] = {}
        # Whether the route of all objects takes its radius in degrees, by server of LSST.
        self._near_in_degrees: dict[str, bool] = {}
        self._measuring = ForkSafeLock()

    def _auth(self, *, required: bool) -> tuple[Callable, None]:
        # Servers can fail on a header: see docs/servers/alerce.rst, "No login".
        return NoAuth(), None

    def login(self, *args: object, **kwargs: object) -> bool:
        """Raise: what ALeRCE serves is open to all.

        Parameters
        ----------
        *args, **kwargs
            What other services take.

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
        route: str,
        params: dict,
        *,
        decode: Callable,
        fields: dict | None = None,
        lifetime: float | None = None,
        cache: bool | None = None,
        content: str = "JSON",
        unknown: str = "",
        once: bool = False,
    ) -> tuple:
        """Read from one of the servers; return what `decode` returns, and the Unix time.

        `fields` are the values in the path of the route, `unknown` is what a 404 means is not
        known; `once` is for a request that is not worth repeating after an error of the server.
        """
        item = _server_item(route)

        try:
            return self._read(
                self._path(route, fields or {}),
                params,
                decode=decode,
                lifetime=self.conf.object_seconds if lifetime is None else lifetime,
                cache=cache,
                method="GET",
                server=None if item == "server" else self._server_of(item),
                content=content,
                divisible=once,
                reconnect=False,
            )
        except RemoteServiceError as error:
            self._name_setting(error, item)
            raise self._reworded(error, unknown) from None
        except (TableParseError, TimeoutError) as error:
            self._name_setting(error, item)
            raise

    def _payload(self, route: str, params: dict, fields: dict | None = None) -> Any:
        """Return what `_fetch` would send: its parameters, and the address under ``url``."""
        address = self._server_of(_server_item(route))
        return {"url": address + self._path(route, fields or {}), **params}

    def _path(self, route: str, fields: dict) -> str:
        """Return the path of a route, which may be another one in another deployment."""
        for pair in self.conf.routes:
            name, found, path = pair.partition("=")
            if not found or name.strip() not in ROUTES:
                raise InvalidQueryError(
                    f"conf.routes has {pair!r}, which should be name=path with a name of "
                    f"{', '.join(ROUTES)}{suggest(name.strip(), ROUTES)}"
                )
            _check_placeholders(name.strip(), path, pair)
            if name.strip() == route:
                return path.strip().lstrip("/").format(**fields)
        return ROUTES[route].format(**fields)

    def _server_of(self, item: str) -> str:
        """Return the address of one of the servers, by its name in ``conf``; read when used."""
        if item == "server":
            return self.server
        address = os.environ.get(self._variable(item)) or getattr(self.conf, item)
        return checked_address(address, f"the {item} of {self.service}")

    def _name_setting(self, error: Exception, item: str) -> None:
        """Let the advice of an error name the setting that the address came from."""
        setting = self._variable(item) if os.environ.get(self._variable(item)) else f"conf.{item}"
        if error.args and isinstance(error.args[0], str):
            error.args = (re.sub(r"\bconf\.server\b", setting, error.args[0]), *error.args[1:])

    def _variable(self, item: str) -> str:
        """Return the environment variable that has the address of one of the servers."""
        return f"{self.environment}_{item.upper()}"

    def _origin(self, when: float, survey: str, query: str, **details: object) -> dict:
        """Return where a result came from, with the server that sent it."""
        item = "lsst_server" if survey == "lsst" else "server"
        found = self._meta(when, query=query, survey=survey, **details)
        return found | {"server": self._server_of(item)}

    def _reworded(self, error: RemoteServiceError, unknown: str) -> RemoteServiceError:
        """Return an error without what the server adds for its own developers."""
        message = SUGGESTION.sub("", error.reason or "")
        if error.status == 404 and unknown and not is_page(message):
            quoted = f": {message}" if message else ""
            return NotFoundError(
                f"ALeRCE does not know {unknown} (status 404{quoted})",
                reason=message or "Not found",
                service=self.service,
                status=error.status,
                url=error.url,
            )
        if message in WITHOUT_REASON:
            return RemoteServiceError(
                f"ALeRCE failed with status {error.status} at {error.url} and gave no reason. Its "
                "server also does this for an object, a survey or a class that it does not know.",
                reason=message,
                service=self.service,
                status=error.status,
                url=error.url,
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


def _check_placeholders(name: str, path: str, pair: str) -> None:
    """Refuse a path of ``conf.routes`` that does not have the placeholders of its route."""
    expected = _placeholders(ROUTES[name])
    try:
        found = _placeholders(path)
    except ValueError as error:
        found = {str(error)}
    if found != expected:
        right = " and ".join(sorted(expected)) or "no placeholder"
        raise InvalidQueryError(
            f"conf.routes has {pair!r}: the path of {name} should have {right}, as in "
            f"'{name}={ROUTES[name]}'"
        )


def _placeholders(path: str) -> set[str]:
    """Return the placeholders of a path as they are written, each once."""
    return {
        "{" + field + (f"!{how}" if how else "") + (f":{form}" if form else "") + "}"
        for _, field, form, how in Formatter().parse(path)
        if field is not None
    }


def _server_item(route: str) -> str:
    """Return the item of conf that has the address of a route's server."""
    return SERVERS.get(route.partition("_")[0], "server")


def decode_plain(columns: Columns, text: bytes) -> Rows:
    """Decode rows that may hold the bare word NaN, which is not JSON.

    Parameters
    ----------
    columns : Columns
        The declaration of the rows.
    text : bytes
        The body of a response.

    Returns
    -------
    Rows
        NaN and infinities are masked.
    """
    return decode_rows(columns, plain_json(text))


def decode_entry(columns: Columns, text: bytes) -> Rows:
    """Decode the entry of one object.

    Parameters
    ----------
    columns : Columns
        The declaration of the entry.
    text : bytes
        The body of a response: a JSON object, which may hold the bare word NaN.

    Returns
    -------
    Rows
        One row.

    Raises
    ------
    TableParseError
        If it is not one object: an empty body, or several of them.
    """
    rows = decode_plain(columns, b"[" + text + b"]")
    if len(rows) != 1:
        raise TableParseError(f"{len(rows)} objects came in place of one")
    return rows


def decode_json_words(text: bytes) -> object:
    """Decode JSON in which the bare words NaN and Infinity may stand for numbers.

    Parameters
    ----------
    text : bytes
        The body of a response.

    Returns
    -------
    object
        NaN and infinities are floats.

    Raises
    ------
    msgspec.DecodeError
        If it is not JSON: a damaged response, which is requested again.
    """
    if b"NaN" in text or b"Infinity" in text:
        with contextlib.suppress(ValueError, RecursionError):
            # The standard library reads these words, and has errors that nobody expects here.
            return json.loads(text)
    return msgspec.json.decode(text)


def plain_json(text: bytes) -> bytes:
    """Return JSON with null in place of NaN and infinities.

    Parameters
    ----------
    text : bytes
        The body of a response.

    Returns
    -------
    bytes
        The same text if it has none of these words, or is not JSON.
    """
    if b"NaN" not in text and b"Infinity" not in text:
        return text
    try:
        return msgspec.json.encode(decode_json_words(text))
    except (msgspec.DecodeError, ValueError, OverflowError, RecursionError):
        # The decoder of the text reports what is wrong with it.
        return text


def one_or_all(payloads: list) -> Any:
    """Return the payload of one request, or the list of those of several.

    Parameters
    ----------
    payloads : list of dict
        The payloads.

    Returns
    -------
    dict or list of dict
        A list only if there are several.
    """
    return payloads[0] if len(payloads) == 1 else payloads


def check_survey(survey: str) -> str:
    """Return the name of a survey, or refuse it.

    Parameters
    ----------
    survey : {"ztf", "lsst"}
        The name.

    Returns
    -------
    str
        The same.
    """
    return check_choice(survey, name="survey", known=SURVEYS)


def check_oids(oids: object, survey: str, *, name: str = "oids", surveys: bool = True) -> list:
    """Return names of objects as the survey writes them, or refuse them.

    Parameters
    ----------
    oids : str, int, iterable of them, or table with ``oid``
        Names such as ``"ZTF18aaaaaaa"`` for ZTF, whole numbers for LSST.
    survey : {"ztf", "lsst"}
        The survey.
    name : str, optional
        The argument's name, for messages.
    surveys : bool, optional
        Whether the method has an argument ``survey``, for messages.

    Returns
    -------
    list of str or int
        In the order given.

    Raises
    ------
    InvalidQueryError
        If there is no name, or one is not a name of this survey.
    """
    check_survey(survey)
    if survey == "lsst":
        hint = "; for an object of ZTF give survey='ztf'"
        return check_ids(oids, name=name, hint=hint, columns=("oid",))
    values = each_id(oids, name=name, columns=("oid",))
    return [_ztf_name(value, where, surveys) for where, value in numbered(values, oids, name=name)]


def check_oid(oid: object, survey: str, *, surveys: bool = True) -> Oid:
    """Return one name of an object, or refuse it.

    Parameters
    ----------
    oid : str or int
        The name.
    survey : {"ztf", "lsst"}
        The survey.
    surveys : bool, optional
        Whether the method has an argument ``survey``, for messages.

    Returns
    -------
    str or int
        As the survey writes it.
    """
    found = check_oids(oid, survey, name="oid", surveys=surveys)
    if len(found) != 1:
        raise InvalidQueryError(f"oid holds {len(found)} objects: give one")
    return found[0]


def _ztf_name(value: object, name: str, surveys: bool) -> str:
    text = value.strip() if isinstance(value, str) else ""
    if not ZTF_NAME.fullmatch(text):
        hint = "; for an object of LSST give survey='lsst'" if surveys else ", the only survey here"
        raise InvalidQueryError(
            f"{name}={value!r:.100} is not a name of ZTF, such as 'ZTF18acuwwpp'{hint}"
        )
    return str(text)
