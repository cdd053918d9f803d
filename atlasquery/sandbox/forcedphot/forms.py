"""Read a submission, and refuse it with the server's messages, in its three shapes of 400."""

import json
import re
from typing import Any
from urllib.parse import parse_qs

__all__ = ["SubmissionError", "read_submission"]

TWO_COLUMNS = (
    "Could not find two columns. Separate RA and Dec by a comma or a space. For MPC object names, "
    "start the line with 'mpc ', e.g., 'mpc Makemake'"
)
MJD_OF_EPOCH = 40587.0


class SubmissionError(Exception):
    """A response in place of tasks.

    Parameters
    ----------
    body : dict
        The response.
    status : int, optional
        Its HTTP status.
    """

    def __init__(self, body: dict, status: int = 400):
        super().__init__(body)
        self.body, self.status = body, status


def read_submission(content_type: str, body: bytes, now: float) -> tuple[list[dict], bool]:
    """Return the fields of each task, and whether they came as a list.

    Parameters
    ----------
    content_type : str
        The type of the body.
    body : bytes
        JSON, or a form.
    now : float
        Unix time.

    Returns
    -------
    tuple of list and bool
        The fields by name; True for a list of positions.

    Raises
    ------
    SubmissionError
        The server refuses the submission.
    """
    form, plain = _parse(content_type, body)
    shared = _shared(form, plain, now)
    if "radeclist" in form:
        return [{**shared, **line} for line in _lines(form["radeclist"])], True
    return [{**shared, **_single(form, shared)}], False


def _parse(content_type: str, body: bytes) -> tuple[dict, bool]:
    if content_type == "application/json":
        try:
            form = json.loads(body or b"{}")
        except json.JSONDecodeError as error:
            raise SubmissionError({"detail": f"JSON parse error - {error}"}) from None
        if not isinstance(form, dict):
            kind = type(form).__name__
            words = f"Invalid data. Expected a dictionary, but got {kind}."
            raise SubmissionError({"non_field_errors": [words]})
        return form, False
    if content_type in ("", "application/x-www-form-urlencoded", "multipart/form-data"):
        return {k: v[-1] for k, v in parse_qs(body.decode(), keep_blank_values=True).items()}, True
    raise SubmissionError({"detail": f'Unsupported media type "{content_type}" in request.'}, 415)


def _number(form: dict, name: str) -> float | None:
    value = form.get(name)
    if value in (None, ""):
        return None
    try:
        number = float(value)
        if number != number:
            raise ValueError
    except (TypeError, ValueError):
        raise SubmissionError({name: ["A valid number is required."]}) from None
    return number


def _flag(form: dict, name: str, default: bool) -> bool:
    value = form.get(name, default)
    known = {"true": True, "false": False, "True": True, "False": False, "1": True, "0": False}
    if isinstance(value, bool):
        return value
    if str(value) not in known:
        raise SubmissionError({name: ["Must be a valid boolean."]})
    return known[str(value)]


def _shared(form: dict, plain: bool, now: float) -> dict[str, Any]:
    wrong: dict[str, list[str]] = {}
    numbers: dict[str, float | None] = {}
    for name in ("mjd_min", "mjd_max", "propermotion_ra", "propermotion_dec", "radec_epoch_year"):
        try:
            numbers[name] = _number(form, name)
        except SubmissionError as refusal:
            wrong |= refusal.body
    epoch = numbers.get("radec_epoch_year")
    if epoch is not None and round(epoch, 1) != epoch:
        wrong["radec_epoch_year"] = ["Ensure that there are no more than 1 decimal places."]
    comment = form.get("comment")
    if comment is not None and len(comment) > 300:
        wrong["comment"] = ["Ensure this field has no more than 300 characters."]
    kind = form.get("request_type", "FP")
    if kind not in ("FP", "IMGZIP", "SSOSTACK"):
        wrong["request_type"] = [f'"{kind}" is not a valid choice.']
    if wrong:
        raise SubmissionError(wrong)
    reduced, mail = (
        _flag(form, "use_reduced", False),
        _flag(form, "send_email", not plain and "radeclist" in form),
    )
    if "mjd_min" not in form:
        numbers["mjd_min"] = round(now / 86400 + MJD_OF_EPOCH - 30, 5)
    first, last = numbers["mjd_min"], numbers["mjd_max"]
    if last is not None and last <= 0:
        raise SubmissionError({"mjd_max": ["mjd_max must be a positive MJD."]})
    if first is not None and last is not None and last <= first:
        words = f"mjd_max must be greater than mjd_min ({first} was applied)."
        raise SubmissionError({"mjd_max": [words]})
    callback = form.get("callback_url")
    if callback:
        _refuse_callback(callback)
    return {
        **numbers,
        "radec_epoch_year": None if epoch is None else f"{epoch:.1f}",
        "comment": comment,
        "use_reduced": reduced,
        "send_email": mail,
        "request_type": kind,
    }


def _refuse_callback(url: str) -> None:
    if not re.match(r"https?://", url):
        raise SubmissionError({"callback_url": ["Enter a valid URL."]})
    words = "must use https" if url.startswith("http:") else "must resolve to a public address"
    raise SubmissionError({"callback_url": {"callback_url": f"callback_url {words}"}})


def _single(form: dict, shared: dict) -> dict[str, Any]:
    wrong: dict[str, list[str]] = {}
    position: dict[str, float | None] = {}
    for name in ("ra", "dec"):
        try:
            position[name] = _number(form, name)
        except SubmissionError as refusal:
            wrong |= refusal.body
    if wrong:
        raise SubmissionError(wrong)
    mpc_name = (form.get("mpc_name") or "").strip() or None
    if mpc_name and re.search(r"""['"`;]""", mpc_name):
        words = "Invalid mpc_name. May not contain quotes or semicolons"
        raise SubmissionError({"mpc_name": {"mpc_name": words}})
    ra, dec = position["ra"], position["dec"]
    if shared["request_type"] == "IMGZIP":
        words = "IMGZIP requests must have a parent_task_id set to an FP task."
        raise SubmissionError({"non_field_errors": [words]})
    if mpc_name and (ra is not None or dec is not None):
        words = "mpc_name was given but RA and Dec were not empty."
        raise SubmissionError({"mpc_name": [words]})
    if not mpc_name and ra is None and dec is None:
        words = "Either an mpc_name or (ra, dec) must be specified."
        raise SubmissionError({"non_field_errors": [words]})
    if not mpc_name and dec is None:
        raise SubmissionError({"dec": ["ra was set but dec is missing."]})
    if not mpc_name and ra is None:
        raise SubmissionError({"ra": ["dec was set but ra is missing."]})
    if shared["request_type"] == "SSOSTACK" and not mpc_name:
        raise SubmissionError({"non_field_errors": ["Image stacking only works on MPC objects."]})
    # A single position is not checked for its range: the server takes ra=400.
    return {"ra": ra, "dec": dec, "mpc_name": mpc_name}


def _lines(text: object) -> list[dict]:
    if not isinstance(text, str):
        words = "radeclist must be a string of newline-separated coordinates or MPC names"
        raise SubmissionError({"radeclist": words})
    lines = [line.strip() for line in text.splitlines()]
    if not any(lines):
        raise SubmissionError({"radeclist": "No coordinates or MPC object names were given."})
    count = sum(map(bool, lines))
    if count > 100:
        raise SubmissionError({"radeclist": f"Number of lines ({count}) is above the limit of 100"})
    return [_line(line, n) for n, line in enumerate(lines, start=1) if line]


def _line(line: str, number: int) -> dict[str, Any]:
    if line.startswith("mpc "):
        return {"mpc_name": line[4:].strip(), "ra": None, "dec": None}
    parts = re.split(r"[,\s]+", line)
    if len(parts) == 6:
        parts = [":".join(parts[:3]), ":".join(parts[3:])]
    if len(parts) != 2:
        raise SubmissionError({"radeclist": f"Error on line {number}: {TWO_COLUMNS}"})
    ra, dec = (
        _degrees(text, name, number) for text, name in zip(parts, ("ra", "dec"), strict=True)
    )
    if not (0 <= ra < 360 and -90 <= dec <= 90):
        raise SubmissionError({"radeclist": f"Error on line {number}: {line} is out of range"})
    return {"ra": ra, "dec": dec, "mpc_name": None}


def _degrees(text: str, name: str, number: int) -> float:
    value: float | None
    try:
        value = float(text)
    except ValueError:
        value = None
    if value is not None and not (name == "dec" and abs(value) == 90):
        return value
    try:
        a, b, c = (float(part) for part in text.lstrip("+-").split(":"))
    except ValueError:
        words = (
            f"could not convert {name} to decimal degrees, could not parse sexegesimal input. "
            f"Original value was `{text if value is None else value}`"
        )
        raise SubmissionError({"radeclist": f"Error on line {number}: {words}"}) from None
    value = (a + b / 60 + c / 3600) * (15 if name == "ra" else 1)
    return round(-value if text.startswith("-") else value, 6)
