"""Alert packets of ZTF and LSST for tests, with the fields and types that each schema has."""

import gzip
import io

import fastavro
import numpy as np
from astropy.io import fits

JD = 2400000.5
# Before the light curve of each packet ends.
ZTF_MJD, LSST_MJD = 60449.378461, 61105.09364348
LSST_NUMBERS = {"3.0": 300, "5.0": 500, "6.1": 601, "7.4": 704, "8.0": 800, "9.0": 900,
                "10.0": 1000, "11.1": 1101}  # fmt: skip


def record(name, *fields):
    return {"type": "record", "name": name, "fields": list(fields)}


def field(name, kind, nullable=True):
    return {"name": name, "type": ["null", kind] if nullable else kind}


def listed(name, items):
    return {"name": name, "type": ["null", {"type": "array", "items": items}]}


def container(schema, records, codec="null", **options):
    file = io.BytesIO()
    fastavro.writer(file, fastavro.parse_schema(schema), records, codec=codec, **options)
    return file.getvalue()


def bare(schema, one):
    file = io.BytesIO()
    fastavro.schemaless_writer(file, fastavro.parse_schema(schema), one)
    return file.getvalue()


def wire(number, schema, one):
    return b"\0" + number.to_bytes(4, "big") + bare(schema, one)


# ZTF

ZTF_ROW = (
    field("jd", "double", nullable=False),
    field("fid", "int", nullable=False),
    field("pid", "long", nullable=False),
    field("diffmaglim", "float"),
    field("candid", "long"),
    field("isdiffpos", "string"),
    field("ra", "double"),
    field("dec", "double"),
    field("magpsf", "float"),
    field("sigmapsf", "float"),
    field("rb", "float"),
    field("distnr", "float"),
    field("ssnamenr", "string"),
)
ZTF_MORE = (
    field("exptime", "float"),
    field("drb", "float"),
    field("ndethist", "int", nullable=False),
    field("sgmag1", "float"),
    field("objectidps1", "long"),
    field("jdstarthist", "double"),
)
ZTF_FORCED = (
    field("jd", "double"),
    field("fid", "int"),
    field("pid", "long"),
    field("exptime", "float"),
    field("magzpsci", "float"),
    field("diffmaglim", "float"),
    field("forcediffimflux", "float"),
    field("forcediffimfluxunc", "float"),
    field("procstatus", "string"),
    field("distnr", "float"),
)


def ztf_schema(*, forced=True, versioned=True, name="ztf.alert"):
    cutout = record("ztf.alert.cutout", field("fileName", "string", False),
                    field("stampData", "bytes", False))  # fmt: skip
    fields = [
        field("objectId", "string", False),
        field("candid", "long", False),
        {"name": "candidate", "type": record("ztf.alert.candidate", *ZTF_ROW, *ZTF_MORE)},
        listed("prv_candidates", record("ztf.alert.prv_candidate", *ZTF_ROW)),
        field("cutoutScience", cutout),
        field("cutoutTemplate", "ztf.alert.cutout"),
        field("cutoutDifference", "ztf.alert.cutout"),
    ]
    if versioned:
        fields.insert(0, field("schemavsn", "string", False))
    if forced:
        fields.insert(-3, listed("fp_hists", record("ztf.alert.fp_hist", *ZTF_FORCED)))
    return record(name, *fields)


def ztf_row(days, **values):
    row = {
        "jd": ZTF_MJD + days + JD, "fid": 2, "pid": 2695378462115 + round(1000 * days),
        "diffmaglim": 19.5, "candid": 2695378462115010012 + round(1000 * days), "isdiffpos": "t",
        "ra": 295.3031995, "dec": -10.3958989, "magpsf": 18.0, "sigmapsf": 0.1, "rb": 0.8,
        "distnr": 0.2, "ssnamenr": "null",
    }  # fmt: skip
    return row | values


def ztf_limit(days, **values):
    return ztf_row(days, candid=None, isdiffpos=None, magpsf=None, sigmapsf=None, ra=None,
                   dec=None, rb=None, distnr=None, ssnamenr=None, **values)  # fmt: skip


def ztf_forced_row(days, **values):
    row = {
        "jd": ZTF_MJD + days + JD, "fid": 1, "pid": 2695378462115 + round(1000 * days),
        "exptime": 30.0, "magzpsci": 26.4, "diffmaglim": 20.4, "forcediffimflux": 1000.0,
        "forcediffimfluxunc": 50.0, "procstatus": "0", "distnr": -99999.0,
    }  # fmt: skip
    return row | values


def ztf_packet(**values):
    more = {"exptime": 30.0, "drb": 0.99, "ndethist": 7, "sgmag1": -999.0, "objectidps1": -999,
            "jdstarthist": 2458246.9561111}  # fmt: skip
    packet = {
        "schemavsn": "4.02", "objectId": "ZTF18abudxnw", "candid": 2695378462115010012,
        "candidate": ztf_row(0.0) | more,
        "prv_candidates": [ztf_row(-3.0, isdiffpos="f"), ztf_limit(-9.0), ztf_row(-0.02)],
        "fp_hists": [ztf_forced_row(-3.0), ztf_forced_row(-9.0)],
        **{f"cutout{kind}": {"fileName": f"{kind}.fits.gz", "stampData": ztf_stamp(n)}
           for n, kind in enumerate(("Science", "Template", "Difference"))},
    }  # fmt: skip
    return packet | values


def ztf_stamp(value, width=53):
    file = io.BytesIO()
    fits.PrimaryHDU(np.full((63, width), value, "f4")).writeto(file)
    return gzip.compress(file.getvalue())


# LSST


def lsst_names(version):
    """Return the names that fields have in a version."""
    major = int(version.split(".")[0])
    old = {"midpointMjdTai": "midPointTai", "band": "filterName", "psfFlux": "psFlux",
           "psfFluxErr": "psFluxErr", "scienceFlux": "totFlux", "dec": "decl"}  # fmt: skip
    return old if major < 5 else {}


def lsst_schema(version="11.1", name=None):
    major, minor = map(int, version.split("."))
    space = f"lsst.v{major}_{minor}"
    names = lsst_names(version)

    def known(name, kind, nullable=True):
        return field(names.get(name, name), kind, nullable)

    exposure = [known("ccdVisitId", "long", False)]
    if major >= 7:
        exposure = [known("visit", "long", False), known("detector", "int", False)]
    common = [
        *exposure,
        known("midpointMjdTai", "double", False),
        known("band", "string", nullable=major >= 6),
        known("psfFlux", "float", nullable=major >= 6),
        known("psfFluxErr", "float", nullable=major >= 6),
    ]
    if major not in (6, 7):
        common.append(known("scienceFlux", "float"))
    if major >= 9:
        common.append(known("timeWithdrawnMjdTai", "double"))
    source = [
        known("diaSourceId", "long", False), known("diaObjectId", "long"),
        known("ssObjectId", "long"), *common, known("ra", "double", False),
        known("dec", "double", False), known("snr", "float"), known("isDipole", "boolean"),
    ]  # fmt: skip
    if version == "11.1":
        source.append(known("exposureTime", "float"))
    if major == 8:
        source.append({"name": "time_processed",
                       "type": {"type": "long", "logicalType": "timestamp-micros"}})  # fmt: skip
    forced = [known("diaForcedSourceId", "long", False), known("diaObjectId", "long", False),
              *common]  # fmt: skip
    of_object = record("diaObject", known("diaObjectId", "long", False),
                       known("ra", "double", False), known("dec", "double", False),
                       known("g_psfFluxMean", "float"), known("nDiaSources", "int"))  # fmt: skip
    fields = [
        field("alertId" if major < 8 else "diaSourceId", "long", False),
        {"name": "diaSource", "type": record("diaSource", *source)},
        listed("prvDiaSources", f"{space}.diaSource"),
        listed("prvDiaForcedSources", record("diaForcedSource", *forced)),
        field("diaObject", of_object),
        *(field(f"cutout{kind}", "bytes") for kind in ("Difference", "Science", "Template")),
    ]
    if major < 8:
        limit = record("diaNondetectionLimit", known("ccdVisitId", "long", False),
                       known("midpointMjdTai", "double", False), known("band", "string", False),
                       known("diaNoise", "float", False))  # fmt: skip
        fields.insert(4, listed("prvDiaNondetectionLimits", limit))
    return {**record(name or "alert", *fields), "namespace": space}


def lsst_row(version="11.1", days=0.0, **values):
    """Return a measurement, by the names of a version; keys that it does not have are ignored."""
    visit = 2026030500055 + round(days)
    row = {
        "diaSourceId": 170094456251351059 + round(days), "diaObjectId": 313897383979122767,
        "ssObjectId": 0, "ccdVisitId": visit, "visit": visit, "detector": 7,
        "midpointMjdTai": LSST_MJD + days, "band": "i", "psfFlux": 2075.5, "psfFluxErr": 100.0,
        "scienceFlux": 9000.0, "timeWithdrawnMjdTai": float("nan"), "ra": 61.813187,
        "dec": -47.583699, "snr": 20.7, "isDipole": True, "exposureTime": 29.5,
        "diaForcedSourceId": 99 + round(days), "time_processed": 0,
    }  # fmt: skip
    names = lsst_names(version)
    return {names.get(name, name): value for name, value in (row | values).items()}


def lsst_packet(version="11.1", **values):
    names = lsst_names(version)
    position = {"ra": 61.81, names.get("dec", "dec"): -47.58}
    packet = {
        "alertId": 170094456251351059, "diaSourceId": 170094456251351059,
        "diaSource": lsst_row(version),
        "prvDiaSources": [
            lsst_row(version, -2.0, psfFlux=-1500.0, timeWithdrawnMjdTai=61104.0),
            lsst_row(version, -3.0, band="r"),
        ],
        "prvDiaForcedSources": [
            lsst_row(version, 0.0, psfFlux=2100.0), lsst_row(version, -4.0, psfFlux=-20.0),
        ],
        "prvDiaNondetectionLimits": None,
        "diaObject": {"diaObjectId": 313897383979122767, **position, "g_psfFluxMean": float("nan"),
                      "nDiaSources": 3},
        **{f"cutout{kind}": lsst_stamp() for kind in ("Difference", "Science", "Template")},
    }  # fmt: skip
    return packet | values


def lsst_stamp():
    first = fits.PrimaryHDU(np.ones((30, 30), "f4"))
    first.header.update({
        "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRPIX1": 15.5, "CRPIX2": 15.5,
        "CRVAL1": 61.813187, "CRVAL2": -47.583699, "CUNIT1": "deg", "CUNIT2": "deg",
        "CD1_1": -5.6e-5, "CD1_2": 0.0, "CD2_1": 0.0, "CD2_2": 5.6e-5, "BUNIT": "nJy",
    })  # fmt: skip
    parts = [first, fits.ImageHDU(np.ones((30, 30), "f4"), name="UNCERT"),
             fits.ImageHDU(np.ones((41, 41)), name="PSFIMAGE")]  # fmt: skip
    file = io.BytesIO()
    fits.HDUList(parts).writeto(file)
    return file.getvalue()


# Packets in place of recorded ones


def as_recorded():
    """Return packets by the names of the recorded ones, of which they have what is special."""
    square = {f"cutout{kind}": {"fileName": f"{kind}.fits.gz", "stampData": ztf_stamp(n, 63)}
              for n, kind in enumerate(("Science", "Template", "Difference"))}  # fmt: skip
    history = [ztf_row(-n, magpsf=18.0 + 0.1 * n, fid=1 + n % 2) for n in range(1, 9)]
    # The flux of each detection at the zero point of its image.
    forced = [
        ztf_forced_row(-n, fid=1 + n % 2, forcediffimflux=10 ** (0.4 * (26.4 - 18.0 - 0.1 * n)))
        for n in range(1, 9)
    ]
    failed = ztf_forced_row(-20.0, forcediffimflux=-99999.0, forcediffimfluxunc=-99999.0)
    four_two = ztf_packet(
        prv_candidates=[*history, ztf_limit(-30.0)], fp_hists=[*forced, failed], **square
    )
    four_one = ztf_packet(
        schemavsn="4.01", prv_candidates=history[:3], fp_hists=[*forced[:3], failed], **square
    )
    digits = ztf_packet(
        schemavsn="3.3", prv_candidates=[ztf_row(-3.0, isdiffpos="0"), ztf_limit(-9.0)], **square
    )
    digits["candidate"] = digits["candidate"] | {"isdiffpos": "1"}
    del digits["fp_hists"]
    other = lsst_packet("10.0", diaSourceId=170094456251351060)
    other["diaSource"] = lsst_row("10.0", diaSourceId=170094456251351060, psfFlux=-75.5)
    other |= {"prvDiaSources": None, "prvDiaForcedSources": None}
    return {
        "ztf_4_02.avro": container(ztf_schema(), [four_two]),
        "ztf_4_01_fp.avro": container(ztf_schema(), [four_one], "deflate"),
        "ztf_isdiffpos_1.avro": container(ztf_schema(forced=False), [digits]),
        "fink_lsst_10_0_two_records_cut.avro": container(
            lsst_schema("10.0"), [lsst_packet("10.0"), other]
        ),
        "made_lsst_11_1.avro": container(lsst_schema("11.1"), [lsst_packet("11.1")]),
    }
