"""Alert packets of ZTF, as the survey writes them: schema 4.02 with the most used fields."""

import io

from .rows import Row

__all__ = ["ztf_packet"]

_JD = 2400000.5
# Zero point in AB magnitudes of the images, whose fluxes are in DN.
_ZERO_POINT = 26.2
_NO_VALUE = -99999.0
_DAYS = 30.0


def _field(name: str, kind: str, *, nullable: bool = True) -> dict:
    if not nullable:
        return {"name": name, "type": kind}
    return {"name": name, "type": ["null", kind], "default": None}


_EXPOSURE = [
    _field("jd", "double", nullable=False),
    _field("fid", "int", nullable=False),
    _field("pid", "long", nullable=False),
    _field("diffmaglim", "float"),
    _field("programid", "int", nullable=False),
    _field("candid", "long"),
    _field("isdiffpos", "string"),
    *(_field(name, "int") for name in ("nid", "rcid", "field")),
    *(_field(name, "double") for name in ("ra", "dec")),
    *(
        _field(name, "float")
        for name in ("magpsf", "sigmapsf", "magap", "sigmagap", "distnr", "rb", "magapbig",
                     "sigmagapbig", "ssdistnr", "ssmagnr", "magzpsci")
    ),
    _field("ssnamenr", "string"),
    _field("rbversion", "string", nullable=False),
]  # fmt: skip
_CANDIDATE = [
    *_EXPOSURE,
    *(_field(name, "int", nullable=False) for name in ("ndethist", "ncovhist")),
    *(_field(name, "double") for name in ("jdstarthist", "jdendhist")),
    _field("objectidps1", "long"),
    *(_field(name, "float") for name in ("sgmag1", "sgscore1", "distpsnr1", "exptime", "drb")),
    _field("rfid", "long", nullable=False),
    _field("drbversion", "string", nullable=False),
]
_FORCED = [
    _field("jd", "double"),
    _field("fid", "int"),
    _field("pid", "long"),
    *(_field(name, "int") for name in ("field", "rcid", "programid")),
    _field("rfid", "long"),
    *(
        _field(name, "float")
        for name in ("diffmaglim", "exptime", "magzpsci", "magzpsciunc", "forcediffimflux",
                     "forcediffimfluxunc", "distnr", "magnr", "sigmagnr", "sciinpseeing")
    ),
    *(_field(name, "double") for name in ("ranr", "decnr")),
    _field("procstatus", "string"),
]  # fmt: skip


def _records(name: str, fields: list[dict]) -> dict:
    items = {"type": "record", "name": f"ztf.alert.{name}", "fields": fields}
    return {"name": f"{name}s", "type": ["null", {"type": "array", "items": items}]}


def _schema() -> dict:
    candidate = {"type": "record", "name": "ztf.alert.candidate", "fields": _CANDIDATE}
    cutout = {
        "type": "record",
        "name": "ztf.alert.cutout",
        "fields": [
            {"name": "fileName", "type": "string"},
            {"name": "stampData", "type": "bytes"},
        ],
    }
    return {
        "type": "record",
        "name": "ztf.alert",
        "fields": [
            *(_field(name, "string", nullable=False) for name in ("schemavsn", "publisher")),
            _field("objectId", "string", nullable=False),
            _field("candid", "long", nullable=False),
            {"name": "candidate", "type": candidate},
            _records("prv_candidate", _EXPOSURE),
            _records("fp_hist", _FORCED),
            {"name": "cutoutScience", "type": ["null", cutout]},
            *(
                {"name": f"cutout{kind}", "type": ["null", "ztf.alert.cutout"]}
                for kind in ("Template", "Difference")
            ),
        ],
    }


def ztf_packet(
    oid: str, row: Row, earlier: list[Row], forced: list[Row], stamps: dict[str, bytes]
) -> bytes:
    """Return an alert packet as an Avro container.

    Parameters
    ----------
    oid : str
        The object.
    row : dict
        The detection that the alert is of, as ALeRCE sends it.
    earlier : list of dict
        Other detections and non-detections, of which those of 30 days before are taken.
    forced : list of dict
        Forced photometry, of which those of 30 days before are taken.
    stamps : dict of str to bytes
        FITS in gzip by ``"science"``, ``"template"`` and ``"difference"``.

    Returns
    -------
    bytes
        The file.
    """
    import fastavro

    night = row["mjd"] - 0.5
    before = [one for one in earlier if row["mjd"] - _DAYS <= one["mjd"] < row["mjd"]]
    measured = [one for one in forced if row["mjd"] - _DAYS <= one["mjd"] < row["mjd"]]
    object_fields = {
        "ndethist": len(earlier), "ncovhist": 792, "jdstarthist": row["mjd"] - 100 + _JD,
        "jdendhist": row["mjd"] + _JD, "objectidps1": 119640473640270621, "sgmag1": -999.0,
        "sgscore1": 0.5, "distpsnr1": 1.2, "exptime": 30.0, "drb": row.get("drb"),
        "drbversion": "d6_m7", "rfid": 455120117,
    }  # fmt: skip
    packet = {
        "schemavsn": "4.02",
        "publisher": "ZTF (www.ztf.caltech.edu)",
        "objectId": oid,
        "candid": int(row["candid"]),
        "candidate": _exposure(row, ("t", "f")) | object_fields,
        # Measurements of the same night have digits.
        "prv_candidates": [
            _exposure(one, ("1", "0") if one["mjd"] > night else ("t", "f")) for one in before
        ],
        "fp_hists": [_forced_row(one) for one in measured],
        **{
            f"cutout{kind.title()}": {"fileName": f"{kind}.fits.gz", "stampData": stamp}
            for kind, stamp in stamps.items()
        },
    }
    file = io.BytesIO()
    fastavro.writer(file, fastavro.parse_schema(_schema()), [packet])
    return file.getvalue()


def _exposure(row: Row, signs: tuple[str, str]) -> Row:
    """Return a detection or a non-detection as a packet has it."""
    detected = row.get("magpsf") is not None
    sent = {field["name"]: row.get(field["name"]) for field in _EXPOSURE}
    return sent | {
        "jd": row["mjd"] + _JD,
        # ALeRCE sends no number of an exposure without a detection.
        "pid": row.get("pid") or int((row["mjd"] - 57754.0) * 1e6) * 1_000_000,
        "programid": 1,
        "candid": int(row["candid"]) if detected else None,
        "isdiffpos": (signs[0] if row["isdiffpos"] > 0 else signs[1]) if detected else None,
        "ssdistnr": -999.0 if detected else None,
        "ssmagnr": -999.0 if detected else None,
        "ssnamenr": "null" if detected else None,
        "magzpsci": _ZERO_POINT,
        "rbversion": row.get("rbversion") or "t17_f5_c3",
    }


def _forced_row(row: Row) -> Row:
    """Return a row of forced photometry as a packet has it: in DN, and -99999 for no value."""
    extra = row["extra_fields"]
    known = row["mag"] < 99.0
    flux = 10 ** (0.4 * (_ZERO_POINT - row["mag"])) if known else _NO_VALUE
    sent = {field["name"]: extra.get(field["name"]) for field in _FORCED}
    return sent | {
        "jd": row["mjd"] + _JD,
        "fid": row["fid"],
        "pid": row["pid"],
        "magzpsci": _ZERO_POINT,
        "forcediffimflux": row["isdiffpos"] * flux if known else _NO_VALUE,
        "forcediffimfluxunc": flux * row["e_mag"] / 1.0857 if known else _NO_VALUE,
        "procstatus": "0" if known else "61",
    }
