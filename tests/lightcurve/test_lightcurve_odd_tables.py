"""Tables as files bring them: masked labels and times, another byte order, phases for times."""

import tempfile
from pathlib import Path

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io.votable import parse_single_table
from astropy.table import Column, MaskedColumn, QTable, Table, vstack
from astropy.timeseries import TimeSeries
from example_curves import light_curve

from atlasquery import lightcurve as lib
from atlasquery.exceptions import InvalidQueryError
from atlasquery.lightcurve import bin, clean, phase_fold, read, write


def folder():
    return Path(tempfile.mkdtemp())


def files(lc):
    return [write(lc, folder() / f"lc{end}") for end in (".ecsv", ".fits", ".vot", ".parquet")]


WORK = {
    "bin": bin,
    "clean": lambda lc: clean(lc, "plot_atlas_fp"),
    "colour": lambda lc: lib.colour(lc, ("c", "o")),
    "limits": lib.limits,
    "peak": lib.peak,
    "first_detection": lib.first_detection,
    "rise_rate": lib.rise_rate,
    "plot": lib.plot,
    "plot_interactive": lib.plot_interactive,
    "signal_to_noise": lib.signal_to_noise,
    "sparkline": lib.sparkline,
    "subtract_baseline": lambda lc: lib.subtract_baseline(lc, at_least=2),
    "summary": lib.summary,
    "to_flux": lib.to_flux,
    "to_mag": lib.to_mag,
    "phase_fold": lambda lc: phase_fold(lc, 2 * u.day),
}
EXPORTS = {
    "to_pandas": lib.to_pandas,
    "to_lightkurve": lib.to_lightkurve,
    "to_sncosmo": lib.to_sncosmo,
    "to_nested": lambda lc: lib.to_nested({"a": lc}),
}


def base(**survey_columns):
    n = np.arange(8)
    return light_curve(
        59000 + n / 4,
        100.0 + 9 * n,
        5.0,
        survey_columns={"reduced_chi2": np.ones(8), **survey_columns},
    )


# Masked labels.


def labelled(kind, masked=True):
    values = np.array([1, 1, 2, 2, 3, 3, 9, 9])
    table = QTable(light_curve(59000.1 + np.arange(8) / 10, 100.0 + np.arange(8), 5.0))
    mask = np.isin(np.arange(8), [2, 3, 6, 7])
    column = values.astype(kind)
    table["field"] = MaskedColumn(column, mask=mask) if masked else Column(column)
    return table


@pytest.mark.parametrize("kind", [np.int64, np.int32, "U3"])
def test_masked_labels_are_a_group(kind):
    table = labelled(kind)
    binned = bin(table, by=("field", "band"))
    assert binned["n"].tolist() == [2, 2, 4]
    assert binned["field"].mask.tolist() == [False, False, True]
    assert [str(value) for value in binned["field"][:2]] == ["1", "3"]
    assert np.isclose(binned["flux"][2].value, np.mean([102, 103, 106, 107]))
    assert " 0 without a valid flux, error, time or label" in binned.meta["history"][-1]
    # What lies under the mask does not matter, nor in which order the rows come.
    other = labelled(kind)
    other["field"].data.data[other["field"].mask] = np.array(7).astype(kind)
    other = other[::-1]
    again = bin(other, by=("field", "band"))
    assert again["n"].tolist() == [2, 2, 4]
    assert np.allclose(again["flux"].value, binned["flux"].value)


def test_masked_labels_in_large_tables():
    """Tables are worked on in pieces, at whose edges no group is divided."""
    n = 150_000
    ids = np.repeat(np.arange(n // 3), 3)
    table = QTable(light_curve(59000 + np.tile([0.1, 0.2, 0.3], n // 3), 100.0, 5.0,
                               exposure=np.arange(n).astype(str)))  # fmt: skip
    # The helper sorts by time; this is a stacked table.
    table["time"] = table["time"][np.argsort(np.tile([0, 1, 2], n // 3), kind="stable").argsort()]
    table["oid"] = MaskedColumn(ids, mask=ids % 5 == 0)
    binned = bin(table, by=("oid", "band"))
    assert binned["n"].sum() == n
    assert binned["oid"].mask.sum() == 1 and binned["oid"].mask[-1]
    assert binned["n"][-1] == 3 * np.count_nonzero(np.arange(n // 3) % 5 == 0)


def test_clean_keeps_masked_labels_together():
    table = labelled(np.int64)
    table["reduced_chi2"] = 1.0
    table["flux"][:] = [100, 100, 100, 101, 100, 100, 99, 900] * u.uJy
    flagged = clean(table, "atclean", by=("field", "band"))["flag"].tolist()
    # Four rows without a label agree but for one.
    assert [flag != 0 for flag in flagged] == [False] * 7 + [True]


# Masked times.


def test_masked_times_are_nowhere():
    lc = base()
    lc["exposure"] = np.full(8, "x")
    hidden = lc.time.mjd[3]
    lc["time"][3] = np.ma.masked
    frame = lib.to_pandas(lc)
    assert np.isnan(frame["mjd"].iloc[3]) and hidden not in frame["mjd"].tolist()
    assert frame.index[3] is pytest.importorskip("pandas").NaT
    assert len(lib.to_sncosmo(lc)) == 7
    assert bin(lc)["n"].sum() == 7 and lib.summary(lc)["n_rows"][0] == 7
    for path in files(lc):
        body = path.read_bytes()
        assert str(hidden).encode() not in body and np.float64(hidden).tobytes() not in body
        assert np.array(hidden, ">f8").tobytes() not in body
        again = read(path)
        assert again["time"].mask.tolist() == lc["time"].mask.tolist()
    assert lc["time"].unmasked.mjd[3] == hidden
    pytest.importorskip("lightkurve")
    assert len(lib.to_lightkurve(lc)) == 7


@pytest.mark.parametrize("barycentric", [False, True])
def test_masked_times_are_combined(barycentric):
    lc, other = base(), base()
    lc["time"][3] = np.ma.masked
    place = SkyCoord(150, 2, unit="deg")
    both = lib.combine([lc, other], barycentric=barycentric, coordinates=place)
    assert both["time"].mask.tolist() == [False] * 15 + [True]
    assert both["flux"][-1] == lc["flux"][3]
    many = lib.combine({"a": [lc], "b": [other]})
    assert many["a"]["time"].mask.sum() == 1 and bin(many["a"])["n"].sum() == 7
    assert lib.combine([both])["time"].mask.sum() == 1


def test_a_masked_time_is_not_in_the_baseline():
    lc = base()
    lc["time"][3] = np.ma.masked
    found = lib.subtract_baseline(lc, at_least=2).meta["baseline"]
    assert sum(b["n"] for b in found) == 7


def test_a_masked_band_is_of_no_band():
    lc = base()
    before = lib.summary(lc)[0]["n_rows"]
    lc["band"] = MaskedColumn(lc["band"], mask=np.arange(8) == 0)
    assert lib.summary(lc)[0]["n_rows"] == before - 1
    assert lib.first_detection(lc)["time"] > lc["time"][0]
    lc["band"].mask = True
    assert lib.peak(lc) is None


def test_masked_times_of_votable():
    lc = base()
    lc["time"][3] = np.ma.masked
    table = parse_single_table(write(lc, folder() / "lc.vot"))
    assert np.isnan(table.array["time"].data[3])


# Phases.


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("name", [*WORK, *EXPORTS])
def test_folded_light_curves_are_refused_alike(name, normalize):
    folded = phase_fold(base(), 2 * u.day, normalize=normalize)
    with pytest.raises(InvalidQueryError, match="as of a folded light curve; it should be Time"):
        (WORK | EXPORTS)[name](folded)


# Byte order.


def big_endian(lc):
    """Return a light curve as `astropy.table.Table.read` has it from FITS."""
    table = Table(lc)
    for name in table.colnames[1:]:
        column = table[name]
        values = np.asarray(getattr(column.data, "data", column.data))
        if isinstance(column, MaskedColumn):
            values = np.asarray(column.data.data)
        values = values.astype(values.dtype.newbyteorder(">"))
        result = Column(values, unit=column.unit)
        if isinstance(column, MaskedColumn):
            result = MaskedColumn(values, mask=column.mask, unit=column.unit)
        table[name] = result
    return TimeSeries(table)


@pytest.mark.parametrize("name", [*WORK, *EXPORTS])
def test_columns_of_the_other_byte_order(name):
    lc = base(objid=np.arange(8) // 8)
    other = big_endian(lc)
    assert other["flux"].dtype.byteorder == ">" and other["band"].dtype.byteorder == ">"
    function = (WORK | EXPORTS)[name]
    if name == "to_lightkurve":
        pytest.importorskip("lightkurve")
    if name == "to_nested":
        pytest.importorskip("nested_pandas")
    one, two = function(lc), function(other)
    if name in ("bin", "clean", "limits", "to_flux", "to_mag", "signal_to_noise"):
        for column in one.colnames[1:]:
            if column.startswith("time"):
                continue
            first, second = (np.ma.filled(np.asarray(lc[column]), 0) for lc in (one, two))
            assert np.array_equal(first, second, equal_nan=first.dtype.kind == "f"), column


def test_files_of_the_other_byte_order():
    other = big_endian(base(objid=np.arange(8)))
    for path in files(other):
        again = read(path)
        assert (again["flux"] == other["flux"]).all() and (again["objid"] == other["objid"]).all()


def test_stacks_of_both_byte_orders():
    lc = base()
    both = bin({"a": lc, "b": big_endian(lc)})
    assert (both["a"]["flux"] == both["b"]["flux"]).all()
    assert len(vstack([QTable(lc), QTable(big_endian(lc))])) == 16
