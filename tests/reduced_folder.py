"""A folder laid out as that of the recorded exchanges, for whoever does not have it.

The exchanges in text are those of ``tests/reduced``: the forms and words of the real servers with
synthetic values. Files of other kinds are written here with synthetic values, or by the sandbox.
"""

import base64
import gzip
import io
import json
from pathlib import Path

import numpy as np
import requests
from astropy.io import fits

__all__ = ["write_folder"]

REDUCED = Path(__file__).parent / "reduced"
FORCED = (
    "###MJD          m      dm   uJy   duJy F err chi/N     RA       Dec        x        y     maj"
    "  min   phi  apfit mag5sig Sky   Obs"
)


def write_folder(folder, sandbox):
    """Write all files of the folder.

    Parameters
    ----------
    folder : pathlib.Path
        Where to.
    sandbox : Sandbox
        Server of ATLAS that has the objects.
    """
    files = {}
    for path in sorted(REDUCED.glob("*.json")):
        files |= {name: text.encode() for name, text in json.loads(path.read_text()).items()}
    for name, body in (
        files | forced_results() | variants() | copies() | ztf_tables() | light_curve_files()
        | alerce_stamps() | sky_map() | atlas_objects(sandbox) | alert_packets()
    ).items():  # fmt: skip
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body.encode() if isinstance(body, str) else body)


# Forced photometry of ATLAS.


def forced_line(mjd, m, dm, flux, err, chi, x, y, exposure, band="o"):
    return (
        f"{mjd:.6f} {m:7.3f} {dm:6.3f} {flux:5.0f} {err:4.0f} {band}  0 {chi:6.2f} 201.12345"
        f" -11.54321 {x:8.2f} {y:8.2f} 3.10 2.70 -12.0 -0.401 18.90 20.10 {exposure}"
    )


def forced_results():
    """Result files: a faint field with rows at the edge, a bright source, many rows, none."""
    faint = [
        (58039.300799, -25.117, 73.0, -0.0, 24, 1.1, 9000, "01a58039o0154o"),
        (58039.31, 20.191, 0.946, 30, 29, 1.2, 9100, "01a58039o0170o"),
        (58039.312, 23.280, 15.714, 2, 28, 0.9, 120, "01a58039o0177o"),
        (58039.314, -20.110, 0.819, -33, 27, 0.8, 9200, "01a58039o0187o"),
        (58039.316, 22.533, 6.154, 4, 22, 1.3, 130, "01a58039o0194o"),
        (58039.318, -22.815, 8.800, -3, 24, 1.4, 9300, "01a58039o0204o"),
        (58039.32, 20.461, 1.245, 24, 30, 1.5, 60, "01a58039o0211o"),
        (58039.322, 17.886, 0.106, 254, 27, 10.0, 40, "01a58039o0228o"),
    ]
    lines = []
    for mjd, m, dm, flux, err, chi, x, name in faint:
        line = forced_line(mjd, m, dm, flux, err, chi, x, 5000, name)
        # The limit of the first is named by a test.
        lines.append(line.replace("18.90 20.10", "18.80 20.30") if not lines else line)
    bright = [
        (16.177, 0.012, 1228, 15, 50.0, "c"), (16.258, 0.017, 1140, 20, 8.0, "c"),
        (16.582, 0.021, 846, 18, 30.0, "c"), (16.451, 0.019, 954, 18, 15.0, "c"),
        (17.223, 0.049, 469, 23, 4.0, "c"),
    ]  # fmt: skip
    many = [
        forced_line(59300 + n, *of_flux(90.3 + n, 11), 1, 4000, 5000, f"01a{59300 + n}o0100c", "c")
        for n in range(40)
    ]
    folder = "samples/forcedphot/results/"
    return {
        "data/forcedphot/real_rows_issue58.txt": "\n".join([FORCED, *lines, ""]),
        "data/forcedphot/real_rows_from_skyportal_comment.txt": "\n".join(
            [FORCED]
            + [
                forced_line(59226.2 + n, *row[:5], 7000, 7100, f"02a59226o010{n}c", row[5])
                for n, row in enumerate(bright)
            ]
            + [""]
        ),
        folder + "mpc_moving_synthetic.txt": "\n".join([FORCED, *many, ""]),
        folder + "reduced_pm_synthetic.txt": "\n".join([FORCED, *many[::-1], ""]),
        folder + "nodata_header_only.txt": FORCED + "\n",
        folder + "ragged.txt": f"{FORCED}\n01a oops " + "word " * 22 + "end\n1 2 3\n",
        "samples/forcedphot/columns.json": json.dumps(
            {
                "header_real": "###" + " ".join(FORCED[3:].split()),
                "columns": [
                    {"name": name, "unit": unit}
                    for name, unit in (
                        ("MJD", "d"), ("m", "mag(AB)"), ("dm", "mag"), ("uJy", "uJy"),
                        ("duJy", "uJy"), ("F", None), ("err", None), ("chi/N", None),
                        ("RA", "deg"), ("Dec", "deg"), ("x", "pix"), ("y", "pix"), ("maj", "pix"),
                        ("min", "pix"), ("phi", "deg"), ("apfit", "mag"), ("mag5sig", "mag(AB)"),
                        ("Sky", "mag/arcsec2"), ("Obs", None),
                    )
                ],
            }
        ),
    }  # fmt: skip


def of_flux(flux, err):
    """Return magnitude, its error, flux and its error as the server prints them."""
    mag = round(23.9 - 2.5 * float(np.log10(abs(flux))), 3)
    printed = round(np.copysign(10 ** ((23.9 - mag) / 2.5), flux))
    return float(np.copysign(mag, flux)), round(err / abs(flux), 3), printed, err


def variants():
    """Copies of a result file as people have them: other separators, line ends, words."""
    names = FORCED[3:].split()
    one = (
        "59001.250100 18.904 0.101 100 10 o 0 1.15 210.20000 -3.30000 4100.00 5100.00 2.40"
        " 2.20 11.0 -0.390 19.40 20.40 02a59001o0111o"
    )
    two = (
        "59002.260200 -19.656 0.200 -50 10 c 0 0.85 210.20000 -3.30000 4101.00 5101.00 2.50"
        " 2.30 -8.0 -0.380 19.70 21.40 01a59002o0112c"
    )
    one, two = one.split(), two.split()
    head = "###" + " ".join(names)
    plain = f"{head}\n{' '.join(one)}\n{' '.join(two)}\n"
    alone = f"{head}\n{' '.join(one)}\n"
    rows = [",".join(one), ",".join(two)]
    commas = ",".join(names)
    short = "###MJD,m,dm,uJy,duJy,F,err\n59001.2501,18.900,0.100,100,10,o,0\n"
    texts = {
        "blank_lines.txt": "\n\n" + plain.replace("\n", "\n\n"),
        "bom.txt": "\ufeff" + plain,
        "comma_decimal.txt": f"{head}\n" + " ".join(one).replace(".", ",") + "\n",
        "comments.txt": f"{head}\n{' '.join(one)}\n# a remark\n{' '.join(two)}\n",
        "concatenated.txt": f"{alone}{head}\n{' '.join(two)}\n",
        "cr.txt": plain.replace("\n", "\r"),
        "crlf.txt": plain.replace("\n", "\r\n"),
        "csv_copy_hang.csv": short + "59002.2602,-19.653,0.200,-50,10,c,0\n",
        "csv_hash.csv": "\n".join(["###" + commas, *rows, ""]),
        "csv_hash_empty.csv": f"###{commas}\n",
        "csv_index.csv": "\n".join([",###" + commas, f"0,{rows[0]}", f"1,{rows[1]}", ""]),
        "csv_nan.csv": f"###{commas}\n{rows[0].replace('18.904', '')}\n",
        "csv_plain.csv": "\n".join([commas, *rows, ""]),
        "empty.txt": "",
        "float_flux.txt": alone.replace(" 100 10 ", " 100.27 10.13 "),
        "header_only.txt": f"{head}\n",
        "html.txt": "<!DOCTYPE html><html><body>502 Bad Gateway</body></html>\n",
        "limit_sign.txt": alone.replace("18.904", ">18.904"),
        "nan_text.txt": alone.replace("18.904 0.101", "nan nan"),
        "nbsp.txt": alone.replace(" 18.904", "\u00a0 18.904"),
        "no_hash.txt": plain.removeprefix("###"),
        "nofinal.txt": plain.rstrip("\n"),
        "none_text.txt": alone.replace("18.904 0.101", "None None"),
        "one_hash.txt": "# " + plain.removeprefix("###"),
        "plain.txt": plain,
        "quoted.txt": " ".join(f'"{name}"' for name in ["###MJD", *names[1:]])
        + f"\n{' '.join(one)}\n",
        "remark_first.txt": f"# a remark of 2026\n{plain}",
        "star_overflow.txt": alone.replace("0.101", "*****"),
        "tab.txt": plain.replace(" ", "\t"),
        "truncated.txt": plain[: plain.index(" 21.40") + 1],
        "truncated_in_obs.txt": plain.rstrip("\n")[:-6],
    }
    found = {f"data/files/variants/{name}": text.encode() for name, text in texts.items()}
    found["data/files/variants/gz.txt.gz"] = gzip.compress(plain.encode(), mtime=0)
    return found


def copies():
    """Files of other years and of programs that stack them."""
    rng = np.random.default_rng(58)
    flux = [*rng.uniform(-300, 450, 397), 1234.0, 2345.0, -1.5]
    halves = rounded_twice()

    def file(count, start, twice=0):
        lines = []
        for n in range(count):
            m, dm, printed, err = of_flux(flux[n % len(flux)], 14)
            if n < twice:
                m, printed = halves[n]
            band = "co"[n % 2]
            lines.append(forced_line(start + n, m, dm, printed, err, 1.02, 3000, 4000,
                                     f"02a{start + n}o0{n:03d}{band}", band))  # fmt: skip
        return "\n".join([FORCED, *lines, ""])

    old = FORCED.replace("mag5sig Sky   Obs", " Sky    ZP    Stack")
    stacked = [
        f"5841{n}.640780 {m:7.3f} {dm:6.3f} {printed:5.0f} {err:4.0f} o  0   1.05 161.2 53.6"
        f" 356.28 1198.43 6.32 6.32 0.0 -0.200 18.42 19.32 161+53o5841{n}"
        for n, (m, dm, printed, err) in enumerate(map(of_flux, (12.3, -40.2), (17, 11)))
    ]
    return {
        "data/files/anna_css161010_atlas.txt": file(400, 57671, 17),
        "data/files/plotatlasfp_job01088.txt": file(60, 59101, 1),
        "data/files/sdssv_excerpt_2015_2026.txt": file(11, 57404),
        "data/files/psat_stacked_2018.txt": "\n".join([old, *stacked, ""]),
        "data/files/plotatlasfp_job01088_stacked.txt": "# MJD (average)\n# uJy (average)\n"
        "MJD,uJy,duJy,F,n\n59101.53,-1.75,6.19,o,4\n59103.56,2.67,5.77,c,3\n",
        **atclean_tables(rng),
    }


def atclean_tables(rng):
    """Tables of ATClean: magnitudes that are not those of the fluxes, and its column Mask."""
    names = "MJD m dm uJy duJy F err chi/N RA Dec x y maj min phi apfit mag5sig Sky Obs Mask"
    found = {}
    for n in range(3):
        lines = [names]
        for row in range(12):
            lines.append(
                f"{57914.53 + row + 0.01 * n:.6f} {18.8 + 0.1 * row:.6f} NaN"
                f" {round(rng.normal(0, 30))} {20 + row} o 0 1.10 210.1 61.1 5148.22 4300.42 2.26"
                f" 2.25 -44.4 -0.436 18.72 19.23 02a{57914 + row}o0575o"
                f" {'0x400220' if row % 3 else '0x000000'}"
            )
        path = f"data/files/atclean_2019vxm/2019vxm_i{n:03d}.o.lc.txt.gz"
        found[path] = gzip.compress("\n".join([*lines, ""]).encode(), mtime=0)
    return found


def rounded_twice():
    """Return magnitudes with a flux that was rounded to one decimal first: 30.46, 30.5, 31."""
    found = []
    for m in np.round(np.arange(19.2, 21.0, 0.001), 3):
        flux = 10 ** ((23.9 - m) / 2.5)
        beyond = 0.5 - flux % 1
        if flux * 0.00046 + 0.01 < beyond < 0.05:
            found.append((float(m), int(flux) + 1))
    return found


# ZTF: tables of its own service and of ALeRCE.

ZTF_COLUMNS = (
    "index field ccdid qid filter pid infobitssci sciinpseeing scibckgnd scisigpix"
    " zpmaginpsci zpmaginpsciunc zpmaginpscirms clrcoeff clrcoeffunc ncalmatches exptime"
    " adpctdif1 adpctdif2 diffmaglim zpdiff programid jd rfid forcediffimflux"
    " forcediffimfluxunc forcediffimsnr forcediffimchisq forcediffimfluxap"
    " forcediffimfluxuncap forcediffimsnrap aperturecorr dnearestrefsrc nearestrefmag"
    " nearestrefmagunc nearestrefchi nearestrefsharp refjdstart refjdend procstatus"
)


def ztf_tables():
    columns = ZTF_COLUMNS.split()
    rng = np.random.default_rng(26)
    found = {}
    for name, count in (
        ("anna_ipac_forced_phot.txt", 60),
        ("lcc_forcedphotometry_req00010458_lc.txt", 50),
    ):
        lines = [
            "# Requested input R.A. = 51.1234567 degrees",
            "# Requested input Dec. = 9.7654321 degrees",
            "#",
            " " + ", ".join(columns),
            "#",
        ]
        for n in range(count):
            row = dict.fromkeys(columns, "0") | {
                key: f"{rng.uniform(low, high):.6g}"
                for key, low, high in (
                    ("sciinpseeing", 1.5, 3.5), ("scibckgnd", 50, 250), ("scisigpix", 4, 7),
                    ("zpmaginpsci", 26, 26.5), ("zpmaginpsciunc", 1e-5, 3e-5),
                    ("zpmaginpscirms", 0.02, 0.04), ("clrcoeff", -0.1, 0.1),
                    ("diffmaglim", 20, 21), ("zpdiff", 26, 26.5), ("forcediffimflux", -50, 900),
                    ("forcediffimfluxunc", 18, 40), ("forcediffimsnr", -1, 9),
                    ("forcediffimchisq", 0.8, 1.3), ("dnearestrefsrc", 0.5, 4),
                    ("nearestrefmag", 20, 22),
                )
            }  # fmt: skip
            row |= {
                "index": str(n), "field": "506", "filter": f"ZTF_{'gri'[n % 3]}",
                "pid": str(2062451511115 + 37 * n), "exptime": "30.", "programid": "1",
                "jd": f"{2459816.9515162 + 1.003 * n:.7f}", "rfid": "506120111",
                "procstatus": ("0", "56", "57,62")[n % 3],
            }  # fmt: skip
            if n == 5:
                row["infobitssci"] = "33554432"
            if n == 7:
                row["scisigpix"] = "25.5"
            if n == 9:
                row["sciinpseeing"] = "4.25"
            if n == 11:
                row |= {"forcediffimflux": "null", "forcediffimfluxunc": "null"}
            if n == 13:
                row["nearestrefmag"] = "-99999"
            lines.append(" " + " ".join(row[key] for key in columns))
        found[f"data/files/{name}"] = "\n".join([*lines, ""])
    names = "mjd,candid,fid,pid,diffmaglim,isdiffpos,distnr,magpsf,magpsf_corr,magap,sigmapsf"
    names += ",sigmagap,ra,dec,rb,has_stamp,corrected,parent_candid"
    lines = [names]
    for n in range(135):
        mag, err = rng.uniform(17, 20), rng.uniform(0.02, 0.2)
        corrected = "" if n % 5 == 0 else f"{mag - 1:.6f}"
        lines.append(
            f'{58277.3 + n * 1.01:.11f},"{523370271015010017 + 10 * n}",{1 + n % 3}'
            f",{523370271015 + n},{mag + 1.2:.6f},{-1 if n % 4 == 0 else 1},0.0{n},{mag:.6f}"
            f",{corrected},{mag + 0.1:.4f},{err:.8f},{err:.4f},281.{n:03d},21.{n:03d},0.7,true"
            ",true,0"
        )
    found["data/files/lcc_detections.csv"] = "\n".join([*lines, ""])
    return found


# Files that the sandboxes write.


def light_curve_files():
    """Light curves of LCC-Server, alone and in a ZIP; one has rows with nothing in a column."""
    from atlasquery.sandbox.lccserver.catalogs import objects
    from atlasquery.sandbox.lccserver.light_curves import csvlc, make_zip, packed, values

    rows = objects()
    chosen = [("synth-alpha", row) for row in rows["synth_alpha"][:18]]
    chosen += [("synth-beta", row) for row in rows["synth_beta"][:7]]
    members = {f"{folder}-{row['objectid']}-csvlc.gz": packed(row) for folder, row in chosen}
    columns = {name: np.resize(one, 200) for name, one in values(rows["synth_alpha"][0]).items()}
    days = 57000 + 1.37 * np.arange(200)
    columns |= {"rjd": days, "bjd": 2400000.5 + days + 0.0027}
    columns["flt"] = ["" if n % 11 == 3 or n == 1 else "gr"[n % 2] for n in range(200)]
    columns["aep_001"] = np.where(np.arange(200) % 24 == 5, np.nan, columns["aep_000"])
    info = {"objectid": "SYA-0000163", "ra": 289.935309, "decl": 44.25, "ndet": 200,
            "jmag": 11.25, "network": "HN", "hmag": 11.05, "stations": "HN01"}  # fmt: skip
    body = gzip.compress(csvlc(info, columns), mtime=0)
    members["synth-alpha-SYA-0000163-csvlc.gz"] = body
    return {
        "samples/lccserver/lightcurves.zip": make_zip(members),
        "samples/lccserver/lc.csvlc.gz": body,
    }


def alerce_stamps():
    from atlasquery.sandbox.alerce.stamps import stamp_fits

    return {
        f"samples/alerce/stamps/stamp_{kind}.fits.gz": stamp_fits(kind, 5)
        for kind in ("science", "template")
    }


def sky_map():
    """A sky map of three orders: a cell of the coarsest is divided, and a part of it again."""
    coarse = 4 * 4**2 + np.delete(np.arange(12 * 4**2), 5)
    middle = 4 * 4**3 + np.arange(4 * 5 + 1, 4 * 5 + 4)
    fine = 4 * 4**6 + np.arange(4**3) + 4**4 * 5
    uniq = np.concatenate([coarse, middle, fine])
    order = np.log2(uniq / 4).astype(int) // 2
    area = 4 * np.pi / (12 * 4.0**order)
    density = np.where(order == 6, 400.0, 0.5)
    density /= np.sum(density * area)
    table = fits.BinTableHDU.from_columns([
        fits.Column("UNIQ", "K", array=uniq),
        fits.Column("PROBDENSITY", "D", unit="sr-1", array=density),
    ])  # fmt: skip
    table.header.update({"PIXTYPE": "HEALPIX", "ORDERING": "NUNIQ", "COORDSYS": "C"})
    file = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(file)
    path = "/api/localization/2026-11-04T03:12:45/name/mixed.multiorder.fits/download"
    exchange = {
        "request": {"method": "GET", "path": path, "params": None, "json": None},
        "status_code": 200,
        "headers": {"Content-Type": "application/fits"},
        "body_base64_head": base64.b64encode(file.getvalue()).decode(),
    }
    name = "samples/skyportal/recorded_2026-11/localization_download.json"
    return {name: json.dumps(exchange)}


def atlas_objects(sandbox):
    """Answers of the ATLAS server of an older year, with its keys."""
    headers = {"Authorization": f"Token {sandbox.users['reader'].token}"}
    found = {}
    for number, (kind, topic, at) in enumerate((("sn", "wide", 0), ("pm", "crowded", 0),
                                                ("md", "main", 1))):  # fmt: skip
        identifier = sandbox.manifest["ids"][topic][at]
        reply = requests.post(
            sandbox.url + "objects/", data={"objects": identifier}, headers=headers, timeout=60
        )
        (item,) = reply.json()
        item["object"]["realbogus_factor"] = item["object"].pop("vra")
        for row in item["lc"]:
            del row["date_inserted"]
            row["mag"] = abs(row["mag"])
        # One negative flux in each.
        item["lc"][0]["mag"] = (-21.256, -18.363, -18.22)[number]
        for row in item["fp"]:
            del row["uJy"], row["duJy"], row["texp"]
        if kind == "md":
            for n, row in enumerate(item["lc"]):
                row["dup"] = -1 if n % 20 == 3 and n < 80 else 0
        path = f"data/atlas/{IDS[kind]}_{kind}.json.gz"
        found[path] = gzip.compress(json.dumps(item).encode(), mtime=0)
    return found


IDS = {
    "sn": "1000005291314656200", "pm": "1052941460110907400", "md": "1134751930091216800",
}  # fmt: skip


def alert_packets():
    """Packets of alerts, in the schemas of the tests."""
    try:
        import alert_packets as packets
    except ImportError:
        # The extra for alert packets is not installed; the tests that read them are skipped.
        return {}
    return {f"samples/alerts/{name}": body for name, body in packets.as_recorded().items()}
