"""Catalogues of many light curves, compared with lsdb.from_dataframe and its writing.

``python -m benchmarks.hats 100000`` writes and reads as many objects of about 300 rows each. Every
side is a process, of which the processor's time and the largest memory are measured. LSDB has to
be installed; without it only the side of this package is measured.
"""

import argparse
import contextlib
import importlib.util
import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

__all__ = ["report"]

# Objects of `report`; more are an argument of the command.
OBJECTS = 2000
CHUNK, DETECTIONS, LIMITS = 500, 52, 208
COLUMNS = ("band", "flux", "flux_err", "exposure")
PARTITION = 1e8


def report(objects: int = OBJECTS) -> list[str]:
    """Compare both sides on one directory of downloads, and one of a tenth."""
    has_lsdb = importlib.util.find_spec("lsdb") is not None
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        rows = [f"{objects} objects of {DETECTIONS + LIMITS} rows, columns {', '.join(COLUMNS)}"]
        small = _measured("ours", root, max(objects // 10, 1))
        ours = _measured("ours", root, objects)
        rows += [_line(f"to_hats, {max(objects // 10, 1)} objects", small)]
        rows += [_line(f"to_hats, {objects} objects", ours)]
        rows.append(
            f"processor's time of ten times as many: {ours['cpu'] / small['cpu']:.1f} times"
        )
        if not has_lsdb:
            return [*rows, "lsdb is not installed: nothing to compare with"]
        theirs = _measured("theirs", root, objects)
        rows.append(_line("lsdb.from_dataframe and write_catalog", theirs))
        rows.append(
            f"ratios: time {ours['cpu'] / theirs['cpu']:.3f} (aim: <= 0.1), "
            f"memory {ours['peak'] / theirs['peak']:.2f} (aim: <= 0.33)"
        )
        opened = _measured("open", root, objects)
        rows.append(_line("open, clean and bin with LSDB, two workers (aim: <= 4 GB)", opened))
    return rows


def _line(what: str, found: dict) -> str:
    return (
        f"{what:<60}{found['cpu']:>8.1f} s of CPU{found['wall']:>8.1f} s"
        f"{found['peak'] / 1e3:>7.2f} GB  {found.get('note', '')}"
    )


def _measured(way: str, root: Path, objects: int) -> dict:
    """Run one side in a process; return seconds and megabytes."""
    command = [sys.executable, "-m", "benchmarks.hats", str(objects), "--way", way]
    done = subprocess.run(
        [*command, "--root", str(root)], check=True, stdout=subprocess.PIPE, text=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def write_downloads(folder: Path, objects: int) -> None:
    """Write a directory as download_sources does, with a synthetic history of each object."""
    import pyarrow as pa

    from atlasquery.atlas.manifest import begin, open_manifest
    from atlasquery.atlas.parquet_files import KINDS, write_partition

    rng = np.random.default_rng(1)
    folder.mkdir(parents=True)
    schemas = {kind: _schema(columns) for kind, (columns, _) in KINDS.items()}
    with contextlib.closing(open_manifest(folder)) as manifest:
        begin(manifest)
        origin = {"start": None, "end": None, "server": "https://example.org/api/"}
        manifest.executemany(
            "insert into settings values (?, ?)", [(k, json.dumps(v)) for k, v in origin.items()]
        )
        for kind in KINDS:
            (folder / kind).mkdir()
        rows = {
            "detections": _rows(rng, CHUNK * DETECTIONS, detected=True),
            "non_detections": _rows(rng, CHUNK * LIMITS, detected=False),
        }
        for number, first in enumerate(range(0, objects, CHUNK), start=1):
            ids = 1_000_000_000_000_000_000 + np.arange(first, min(first + CHUNK, objects))
            n = len(ids)
            tables = {"objects": _objects(rng, ids)}
            for kind, each in (("detections", DETECTIONS), ("non_detections", LIMITS)):
                # Of all chunks only the numbers differ: strings take long to make.
                some = {name: values[: n * each] for name, values in rows[kind].items()}
                drift = {"time": some["time"] + rng.uniform(0, 30, n * each)}
                tables[kind] = {"atlas_id": np.repeat(ids, each)} | some | drift
            for kind, known in tables.items():
                length = len(known["atlas_id"])
                columns = [
                    pa.array(known[f.name], f.type) if f.name in known else pa.nulls(length, f.type)
                    for f in schemas[kind]
                ]
                table = pa.Table.from_arrays(columns, schema=schemas[kind])
                size = write_partition(table, folder / kind / f"{number:08d}.parquet")
                manifest.execute(
                    "insert into files values (?, ?, ?, ?)", (number, kind, length, size)
                )
            manifest.executemany(
                "insert into objects (atlas_id, chunk, at, rows) values (?, ?, ?, ?)",
                [(int(i), number, 1.7e9, "{}") for i in ids],
            )


def _schema(columns):
    import pyarrow as pa

    kinds = {float: pa.float64(), int: pa.int64(), str: pa.string(), bool: pa.bool_()}
    stamp = pa.timestamp("us", tz="UTC")
    fields = [(c.name, kinds.get(c.kind, stamp)) for c in columns if c.name != "atlas_id"]
    return pa.schema([("atlas_id", pa.int64()), *fields, ("undeclared", pa.string())])


def _objects(rng, ids) -> dict:
    n = len(ids)
    ra, dec = rng.uniform(0, 360, n), np.degrees(np.arcsin(rng.uniform(-0.77, 1, n)))
    return {"atlas_id": ids, "name": [f"ATLAS{i}" for i in ids % 10**8], "ra": ra, "dec": dec}


def _rows(rng, n: int, *, detected: bool) -> dict:
    import pyarrow as pa

    mjd = rng.uniform(57300, 61300, n)
    names = np.char.add("02a", np.char.add(mjd.astype(int).astype(str), "o0123o"))
    found = {
        "time": mjd,
        "band": pa.array(np.where(rng.random(n) < 0.3, "c", "o").tolist()),
        "exposure": pa.array(names.tolist()),
        "exposure_time": np.full(n, 30.0),
        "limiting_mag": rng.normal(19.5, 0.3, n),
    }
    if detected:
        found |= {"signed_mag": rng.normal(18, 1, n), "signed_mag_err": rng.uniform(0.05, 0.2, n)}
    return found


def _ours(root: Path, objects: int) -> dict:
    from atlasquery.hats import to_hats

    folder = root / f"downloads{objects}"
    if not folder.exists():
        # In another process, so that its memory does not count.
        code = "import sys; from pathlib import Path; from benchmarks.hats import write_downloads; "
        code += "write_downloads(Path(sys.argv[1]), int(sys.argv[2]))"
        subprocess.run([sys.executable, "-c", code, str(folder), str(objects)], check=True)
    started = time.process_time(), time.perf_counter()
    to_hats(folder, root / f"hats{objects}", name="atlas", columns=COLUMNS,
            partition_bytes=PARTITION, progress=False)  # fmt: skip
    found = _spent(started)
    files = list((root / f"hats{objects}" / "atlas").glob("**/*.parquet"))
    size = sum(file.stat().st_size for file in files) / 1e6
    return found | {"note": f"{len(files)} files, {size:.0f} MB"}


def _theirs(root: Path, objects: int) -> dict:
    import lsdb
    import nested_pandas as npd
    import pandas as pd

    files = sorted((root / f"hats{objects}" / "atlas").glob("**/*.parquet"))
    names = ["id", "ra", "dec", "light_curve"]
    frame = pd.concat([npd.read_parquet(file, columns=names) for file in files], ignore_index=True)
    started = time.process_time(), time.perf_counter()
    catalogue = lsdb.from_dataframe(
        frame, catalog_name="atlas", ra_column="ra", dec_column="dec", partition_bytes=PARTITION
    )
    catalogue.write_catalog(root / "theirs", catalog_name="atlas", progress_bar=False)
    return _spent(started)


def clean_and_bin(frame, path):
    """Return the mean flux of each object, of nightly bins: what a worker does."""
    import pandas as pd

    from atlasquery.hats import stack_frame
    from atlasquery.lightcurve import bin, clean

    if not len(frame):
        return pd.DataFrame({"id": np.empty(0, np.int64), "flux": np.empty(0)})
    # Rules for columns that were left out are disabled.
    off = dict.fromkeys(("detector_min", "detector_max", "reduced_chi2_max", "limiting_mag_min"))
    off |= dict.fromkeys(("psf_min", "psf_max"))
    table = clean(stack_frame(frame, path), by=["object", "band"], **off)
    table = bin(table, by=["object", "band"])
    flux = np.asarray(table["flux"].filled(np.nan))
    means = pd.DataFrame({"id": np.asarray(table["object"]), "flux": flux})
    return means.groupby("id", as_index=False)["flux"].mean()


def _open(root: Path, objects: int) -> dict:
    import lsdb
    from dask.distributed import Client

    path = root / f"hats{objects}"
    started = time.process_time(), time.perf_counter()
    with Client(n_workers=2, threads_per_worker=1, dashboard_address=None) as client:
        found = lsdb.open_catalog(path).map_partitions(clean_and_bin, path=str(path)).compute()
        workers = client.run(_peak_and_time)
    spent = _spent(started)
    peak = sum(one[0] for one in workers.values()) + spent["peak"]
    cpu = sum(one[1] for one in workers.values()) + spent["cpu"]
    return spent | {"peak": peak, "cpu": cpu, "note": f"{len(found)} objects"}


def _peak_and_time() -> tuple[float, float]:
    return _peak(), time.process_time()


def _peak() -> float:
    # What getrusage says includes the parent before it became this process.
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s*(\d+)", status)[1]) / 1e3


def _spent(started: tuple[float, float]) -> dict:
    return {
        "cpu": time.process_time() - started[0],
        "wall": time.perf_counter() - started[1],
        "peak": _peak(),
    }


def main() -> None:
    """Print the report, or measure one side of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("objects", type=int, nargs="?", default=OBJECTS)
    parser.add_argument("--way", choices=("ours", "theirs", "open"))
    parser.add_argument("--root", type=Path)
    given = parser.parse_args()
    if given.way is None:
        print("\n".join(report(given.objects)))
        return
    work = {"ours": _ours, "theirs": _theirs, "open": _open}[given.way]
    print(json.dumps(work(given.root, given.objects)))


if __name__ == "__main__":
    main()
