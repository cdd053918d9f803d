"""The endpoints of the API: what each asks for and which function answers."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from . import lists, objects, writes
from .forms import BOOLEAN, DATE, FLOAT, INTEGER, PASSWORD, TEXT, Field, Form, choice

__all__ = ["ENDPOINTS", "LOGIN", "LOGIN_PATH", "Endpoint"]

LOGIN_PATH = "auth-token"

_ID = Field(INTEGER, required=True)
_DATE = Field(DATE)
_ALL_DATES = Field(DATE, default="1970-01-01T00:00:00Z")
_ALL_IDS = Field(INTEGER, default=0)
_OBJECTS = Field(TEXT)
_FILTERS = {
    **{
        f"{name}_{side}": Field(FLOAT)
        for name in ("vra", "rb_pix", "ra", "dec")
        for side in ("gte", "lte")
    },
    "sherlock_class": Field(TEXT),
    "spec_type": Field(TEXT),
}

LOGIN = Form({"username": Field(TEXT, required=True), "password": Field(PASSWORD, required=True)})


@dataclass(frozen=True)
class Endpoint:
    """One endpoint.

    Attributes
    ----------
    name : str
        What the server calls it in the answer to OPTIONS.
    fields : Form
        Its parameters.
    answer : callable
        Gets the call and the parameters; returns what is sent.
    writes : bool
        Whether a POST needs write access.
    status : int
        Status of success.
    gets : bool
        Whether GET does what POST does.
    trips : bool
        Whether the server trips over parameters that it cannot read.
    """

    name: str
    fields: Form
    answer: Callable
    writes: bool = False
    status: int = 200
    gets: bool = True
    trips: bool = False


def _read(name: str, fields: dict[str, Field], answer: Callable, **options: Any) -> Endpoint:
    return Endpoint(name, Form(fields, **options), answer)


def _write(name: str, fields: dict[str, Field], answer: Callable, **options: Any) -> Endpoint:
    return Endpoint(
        name, Form(fields), answer, writes=True, **{"status": 201, "gets": False, **options}
    )


ENDPOINTS: dict[str, Endpoint] = {
    "cone": _read("Cone", {
        "ra": Field(FLOAT, required=True),
        "dec": Field(FLOAT, required=True),
        "radius": Field(FLOAT, required=True),
        "requestType": Field(choice("count", "all", "nearest"), required=True),
    }, objects.cone),
    "objects": _read("Objects", {
        "objects": Field(TEXT, required=True), "mjd": Field(FLOAT),
    }, objects.objects),
    "objectlist": _read("Object List", {
        "objectlistid": _ID, "getcustomlist": Field(BOOLEAN, default=False),
        "datethreshold": _DATE, **_FILTERS,
    }, lists.objectlist),
    "vrascoreslist": _read("Vra Scores List", {
        "objects": _OBJECTS, "debug": Field(BOOLEAN, default=False), "datethreshold": _ALL_DATES,
        "idthreshold": _ALL_IDS,
    }, lists.vrascoreslist),
    "vratodolist": _read("Vra Todo List", {
        "objects": _OBJECTS, "datethreshold": _ALL_DATES, "idthreshold": _ALL_IDS,
    }, lists.vratodolist),
    "vraranklist": _read("Vra Rank List", {
        "objects": _OBJECTS, "datethreshold": _ALL_DATES,
    }, lists.vraranklist),
    "objectgroupslist": _read("Tcs Object Groups List", {
        "objectid": Field(INTEGER), "objectgroupid": Field(INTEGER), **_FILTERS,
    }, lists.objectgroupslist, one_of=("objectid", "objectgroupid")),
    "externalxmlist": _read("External Crossmatches List", {
        "externalObjects": Field(TEXT),
    }, objects.externalxmlist),
    "vrascores": _write("Vra Scores", {
        "objectid": _ID, "preal": Field(FLOAT), "pgal": Field(FLOAT), "pfast": Field(FLOAT),
        "rank": Field(FLOAT), "rank_alt1": Field(FLOAT), "is_gal_cand": Field(INTEGER),
        "debug": Field(BOOLEAN, default=False), "insertdate": _DATE,
    }, writes.vrascores),
    "vratodo": _write("Vra Todo", {"objectid": _ID, "insertdate": _DATE}, writes.vratodo),
    "vrarank": _write("Vra Rank", {
        "objectid": _ID, "rank": Field(FLOAT, required=True), "rank_alt1": Field(FLOAT),
        "is_gal_cand": Field(INTEGER), "insertdate": _DATE,
    }, writes.vrarank),
    "objectgroups": _write("Tcs Object Groups", {
        "objectid": _ID, "objectgroupid": _ID,
    }, writes.objectgroups),
    "objectgroupsdelete": _write("Tcs Object Groups Delete", {
        "objectid": _ID, "objectgroupid": _ID,
    }, writes.objectgroupsdelete, trips=True),
    # GET writes here, and GET is open to read-only tokens.
    "objectdetectionlist": _write("Object Detection List", {
        "objectid": _ID, "objectlist": _ID, "insertdate": _DATE,
    }, writes.objectdetectionlist, status=200, gets=True),
}  # fmt: skip
