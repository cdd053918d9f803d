"""Catalogues in the programs they are for: LSDB and hats, and other readers of Parquet."""

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from hats_curves import bare, dense
from pyarrow import parquet

from atlasquery.atlas import AtlasClass
from atlasquery.hats import check_hats, read_hats, to_hats
from atlasquery.lightcurve import bin, clean, stack

# Those of LSDB and Dask are not ours.
pytestmark = pytest.mark.filterwarnings("ignore")


def import_lsdb():
    return pytest.importorskip("lsdb", reason="LSDB is not installed: it is the extra lsdb")


def computed(catalogue):
    return catalogue.compute(progress_bar=False)


@pytest.fixture(scope="module")
def catalogue(downloads, tmp_path_factory):
    path = tmp_path_factory.mktemp("hats") / "atlas_hats"
    return to_hats(downloads, path, name="atlas", partition_bytes=4e5, progress=False)


@pytest.fixture(scope="module")
def field(tmp_path_factory):
    """A catalogue of a small field in many files, so that much is near their borders."""
    curves = dense(120)
    path = tmp_path_factory.mktemp("field") / "field_hats"
    return curves, to_hats(curves, path, name="field", partition_bytes=3e4, progress=False)


def test_valid_by_the_strictest_validation(catalogue, field):
    import_lsdb()
    from hats.io.validation import is_valid_catalog

    assert is_valid_catalog(catalogue, strict=True)
    assert is_valid_catalog(field[1], strict=True)


def test_rows_ids_fluxes_and_masks_are_those_of_read_sources(catalogue, downloads):
    lsdb = import_lsdb()
    opened = lsdb.open_catalog(catalogue)
    stored = AtlasClass().read_sources(downloads)
    frame = computed(opened).set_index("id")
    assert len(opened) == len(frame) == len(stored)
    assert set(frame.index.tolist()) == set(stored)
    for key, lc in stored.items():
        curve = frame.loc[key, "light_curve"]
        assert len(curve) == len(lc)
        assert curve["mjd"].tolist() == lc.time.mjd.tolist()
        for name in ("flux", "flux_err", "limiting_mag", "exposure_id", "band", "exposure"):
            values, mask = bare(lc[name])
            missing = curve[name].isna().to_numpy()
            np.testing.assert_array_equal(missing, mask, err_msg=name)
            assert curve[name][~missing].tolist() == values[~mask].tolist(), name


def test_cone_searches_find_the_same(field):
    lsdb = import_lsdb()
    curves, path = field
    opened = lsdb.open_catalog(path)
    where = SkyCoord([lc.meta["coordinates"] for lc in curves.values()])
    for centre, radius in ((SkyCoord(150, 2.2, unit="deg"), 40.0), (where[3], 15.0)):
        inside = where.separation(centre).arcsec < radius
        expected = {key for key, one in zip(curves, inside, strict=True) if one}
        frame = computed(opened.cone_search(centre.ra.deg, centre.dec.deg, radius))
        assert set(frame["id"].tolist()) == expected
        found = read_hats(path, coordinates=centre, radius=f"{radius} arcsec")
        assert set(found) == expected


def test_cross_matches_over_borders_find_all(field):
    lsdb = import_lsdb()
    _, path = field
    assert len(parquet_files(path, "field_5arcs")) > 3
    opened = lsdb.open_catalog(path)
    found = read_hats(path).table()
    # Moved by 4 arcsec, so that many partners are in another file.
    here = SkyCoord(found["ra"], found["dec"], unit="deg")
    moved = here.spherical_offsets_by(2.8 * u.arcsec, 2.8 * u.arcsec)
    import pandas as pd

    other = lsdb.from_dataframe(
        pd.DataFrame({"mine": found["id"], "ra": moved.ra.deg, "dec": moved.dec.deg}),
        margin_threshold=None,
        ra_column="ra",
        dec_column="dec",
        catalog_name="moved",
    )
    pairs = computed(
        other.crossmatch(opened, radius_arcsec=4.5, n_neighbors=20, suffixes=("_a", "_b"))
    )
    near = moved[:, np.newaxis].separation(here).arcsec < 4.5
    expected = {(int(found["id"][i]), int(found["id"][j])) for i, j in np.argwhere(near)}
    assert set(zip(pairs["mine_a"].tolist(), pairs["id_b"].tolist(), strict=True)) == expected
    assert len(expected) >= len(found)


def parquet_files(path, name):
    return sorted((path / name).glob("**/Npix=*.parquet"))


def amplitudes(frame, path):
    """Return the amplitude and the scatter of each object's nightly flux in the o band."""
    import light_curve
    import numpy as np
    import pandas as pd
    import pyarrow as pa

    from atlasquery.hats import stack_frame
    from atlasquery.lightcurve import bin, clean

    table = clean(stack_frame(frame, path), by=["object", "band"])
    table = bin(table, by=["object", "band"])
    table = table[(table["band"] == "o") & np.isfinite(table["flux"].filled(np.nan))]
    if not len(table):
        return pd.DataFrame({"id": np.empty(0, int), "amplitude": 0.0, "scatter": 0.0})
    # Sorted by object, then by time: what `many` of light-curve reads.
    ids, starts = np.unique(np.asarray(table["object"]), return_index=True)
    columns = [table.time.mjd, table["flux"].unmasked.value]
    rows = pa.StructArray.from_arrays([pa.array(np.asarray(c)) for c in columns], ["t", "m"])
    curves = pa.ListArray.from_arrays(pa.array([*starts, len(rows)], pa.int32()), rows)
    extractor = light_curve.Extractor(light_curve.Amplitude(), light_curve.StandardDeviation())
    values = extractor.many(
        curves, arrow_fields={"t": "t", "m": "m"}, sorted=True, fill_value=np.nan
    )
    found = pd.DataFrame(np.reshape(values, (-1, 2)), columns=["amplitude", "scatter"])
    found.insert(0, "id", ids)
    return found


def test_cleaning_binning_and_features_on_dask_equal_those_in_memory(catalogue, downloads):
    lsdb = import_lsdb()
    light_curve = pytest.importorskip("light_curve")
    distributed = pytest.importorskip("distributed")
    import cloudpickle

    # Workers have no module of tests.
    cloudpickle.register_pickle_by_value(__import__(__name__))
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with distributed.Client(**options):
        opened = lsdb.open_catalog(catalogue, columns=["id", "ra", "dec", "light_curve"])
        found = opened.map_partitions(amplitudes, path=str(catalogue)).compute(progress_bar=False)
    found = found.set_index("id")

    stored = AtlasClass().read_sources(downloads)
    by = ["object", "atlas_id", "band"]
    nightly = bin(clean(stack(stored), by=by), by=by)
    expected = {}
    for key in stored:
        lc = nightly[(nightly["object"] == key) & (nightly["band"] == "o")]
        lc = lc[np.isfinite(lc["flux"].filled(np.nan))]
        if len(lc):
            both = light_curve.Extractor(light_curve.Amplitude(), light_curve.StandardDeviation())
            expected[key] = both(lc.time.mjd, lc["flux"].unmasked.value, fill_value=np.nan)
    assert set(found.index) == set(expected)
    assert len(expected) > 10
    for key, values in expected.items():
        np.testing.assert_array_equal(found.loc[key].to_numpy(float), values)


def read_by_pandas(files):
    pandas = pytest.importorskip("pandas")
    frame = pandas.concat([pandas.read_parquet(file, dtype_backend="pyarrow") for file in files])
    return dict(zip(frame["id"].tolist(), frame["light_curve"].tolist(), strict=True))


def read_by_polars(files):
    polars = pytest.importorskip("polars")
    frame = polars.read_parquet(files)
    return dict(zip(frame["id"].to_list(), frame["light_curve"].to_list(), strict=True))


def read_by_duckdb(files):
    duckdb = pytest.importorskip("duckdb")
    with duckdb.connect() as connection:
        names = ", ".join(f"'{file}'" for file in files)
        return dict(
            connection.sql(f"select id, light_curve from read_parquet([{names}])").fetchall()
        )


@pytest.mark.parametrize("read", [read_by_pandas, read_by_polars, read_by_duckdb])
def test_other_programs_read_every_value(field, read):
    curves, path = field
    found = read(parquet_files(path, "field"))
    assert set(found) == set(curves)
    for key, lc in curves.items():
        for name in ("flux", "candid", "band", "judged", "field"):
            values, mask = bare(lc[name])
            expected = [None if m else v for v, m in zip(values.tolist(), mask, strict=True)]
            assert list(found[key][name]) == expected, name


def test_a_catalogue_written_by_lsdb_passes_the_check(field, tmp_path):
    lsdb = import_lsdb()
    lsdb.open_catalog(field[1]).write_catalog(
        tmp_path / "again", catalog_name="again", progress_bar=False
    )
    assert check_hats(tmp_path / "again") == []
    assert parquet.read_schema(parquet_files(tmp_path / "again", "again")[0]).names
