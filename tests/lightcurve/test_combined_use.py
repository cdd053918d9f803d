"""What is done with light curves takes combined ones: cleaning, bins, plots, files, exports."""

import warnings

import astropy.units as u
import matplotlib as mpl
import numpy as np
import pytest
import survey_curves as surveys
from equal import assert_same_table
from example_curves import light_curve

from atlasquery import combine
from atlasquery.exceptions import InputWarning, InvalidQueryError
from atlasquery.lightcurve import (
    Flag,
    clean,
    from_pandas,
    peak,
    phase_fold,
    plot,
    plot_interactive,
    plot_many,
    read,
    signal_to_noise,
    sparkline,
    subtract_baseline,
    summary,
    to_lightkurve,
    to_mag,
    to_nested,
    to_pandas,
    to_sncosmo,
    write,
)
from atlasquery.lightcurve import bin as bin_curve

mpl.use("agg")


def every(**options):
    """Return one light curve of all services."""
    curves = [surveys.atlas(), surveys.forced(), surveys.ztf(), surveys.lsst(withdrawn=[3]),
              surveys.skyportal(), surveys.lcc()]  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InputWarning)
        return combine(curves, barycentric=True, **options)


@pytest.fixture(scope="module")
def lc():
    return every()


@pytest.fixture(scope="module")
def differences(lc):
    return lc[lc["flux_kind"] != "total"]


@pytest.mark.parametrize("extension", ["ecsv", "fits", "vot", "parquet", "csv"])
def test_files_are_read_back_equal(lc, extension, tmp_path):
    if extension == "parquet":
        pytest.importorskip("pyarrow")
    path = write(lc, tmp_path / f"lc.{extension}")
    found = read(path)
    assert_same_table(found, lc)
    assert found["atlas_atlas_id"].dtype == found["lsst_diaObjectId"].dtype == np.int64
    assert found.meta["sources"] == lc.meta["sources"] and found.meta["object"] == lc.meta["object"]
    assert found.meta["history"] == lc.meta["history"]
    # What was read is combined with more as what was written.
    more = surveys.atlas(6, seed=9)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InputWarning)
        assert len(combine([found, more], barycentric=True)) == len(lc) + 6


def test_pandas(lc):
    frame = to_pandas(lc)
    assert frame.attrs["time_scale"] == "tdb" and len(frame) == len(lc)
    assert str(frame["lsst_diaObjectId"].dtype) == "Int64"
    assert frame["duplicate_of"].isna().sum() == lc["duplicate_of"].mask.sum()
    again = from_pandas(frame)
    assert np.array_equal(again.time.mjd, lc.time.mjd)
    assert np.array_equal(again["flux"].unmasked.value, lc["flux"].unmasked.value, equal_nan=True)
    assert again["measurement"].tolist() == lc["measurement"].tolist()


def test_sncosmo_has_each_exposure_once_and_no_total_flux(lc):
    data = to_sncosmo(lc)
    assert set(data["band"]) == {"atlaso", "atlasc", "ztfg", "ztfr", "lsstg", "lsstr", "lssti"}
    # Of each exposure of ATLAS the forced measurement, of ZTF too; LSST but the withdrawn row.
    assert len(data) == 40 + len({e for e in surveys.ztf()["exposure"] if e}) + 23
    known = set(lc["flux"][lc["measurement"] == "forced"].unmasked.value)
    of_atlas = np.strings.startswith(np.asarray(data["band"]), "atlas")
    assert set(data["flux"][of_atlas]) <= known
    assert data.meta["left_out"] == len(lc) - len(data)
    assert data.meta["time_reference"] == "middle"


def test_lightkurve_is_of_one_survey_and_kind(lc):
    pytest.importorskip("lightkurve")
    with pytest.raises(InvalidQueryError, match=r"fluxes of lsst and ztf.*lc\['survey'\]"):
        to_lightkurve(lc, band="g")
    one = to_lightkurve(lc[lc["survey"] == "ztf"], band="g")
    names = {str(e) for e, b in zip(surveys.ztf()["exposure"], surveys.ztf()["band"], strict=True)
             if e and b == "g"}  # fmt: skip
    assert len(one) == len(names)


def test_nested():
    pytest.importorskip("nested_pandas")
    many = combine({"a": [surveys.atlas(), surveys.ztf()], "b": [surveys.lsst()]})
    frame = to_nested(many)
    assert list(frame.index) == ["a", "b"]
    assert len(frame["light_curve.flux"]) == sum(map(len, many.values()))


def test_the_rules_of_a_survey_judge_its_rows_only(lc):
    flagged = clean(lc)
    bad = flagged["flag"] != 0
    assert set(flagged["survey"][bad & (flagged["flag"] & Flag.SHALLOW != 0)]) <= {"atlas"}
    gone = flagged["flag"] & Flag.WITHDRAWN != 0
    assert gone.sum() == 1 and flagged["survey"][gone].tolist() == ["lsst"]
    alone = clean(surveys.atlas())
    mine = flagged[(flagged["service"] == "atlas")]
    order = np.argsort(np.asarray(alone["exposure"]))
    assert mine["flag"][np.argsort(np.asarray(mine["exposure"]))].tolist() == (
        alone["flag"][order].tolist()
    )
    assert "the rules are for atlas" in flagged.meta["history"][-1]
    ztf = clean(flagged, "ztf_forced", infobits_max=None, pixel_noise_max=None, seeing_max=None,
                flux_err_max=5.0)  # fmt: skip
    large = ztf["flag"] & Flag.LARGE_ERROR != 0
    assert set(ztf["survey"][large]) == {"ztf"} and (ztf["flag"] != 0).sum() > bad.sum()


def test_cleaning_without_rows_of_the_survey_flags_what_is_withdrawn():
    lc = combine([surveys.lsst(withdrawn=[0, 1])])
    assert (clean(lc)["flag"] == Flag.WITHDRAWN).sum() == 2
    assert len(clean(lc, drop=True)) == len(lc) - 2


def test_bins_mix_neither_surveys_nor_kinds_of_flux():
    time = 60000.3 + np.arange(3) * 0.01
    difference = light_curve(time, 100.0, 5.0, band="r", survey="ztf", meta=surveys.ZTF,
                             exposure=list("abc"))  # fmt: skip
    total = light_curve(time, 900.0, 5.0, band="r", survey="ztf", exposure=list("def"),
                        meta=surveys.ZTF | {"flux_kind": "total"})  # fmt: skip
    other = light_curve(time, 50.0, 5.0, band="r", survey="lsst", scale="tai", meta=surveys.LSST,
                        exposure=list("ghi"))  # fmt: skip
    nightly = bin_curve(combine([difference, total, other]))
    found = zip(
        nightly["survey"], nightly["flux_kind"], nightly["flux"].unmasked.value, strict=True
    )
    assert sorted((s, k, round(float(f), 6)) for s, k, f in found) == [
        ("lsst", "difference", 50.0), ("ztf", "difference", 100.0), ("ztf", "total", 900.0),
    ]  # fmt: skip
    assert "flux_kind" in nightly.meta["history"][-1]
    assert nightly.meta["time_reference"] == "mean"


def test_bins_count_an_exposure_once():
    seen = surveys.atlas()
    seen = seen[seen["detection"]]
    forced = surveys.forced(seen)
    nightly = bin_curve(combine([seen, forced, seen]), width=1e-3 * u.day)
    assert len(nightly) == len(seen) and set(nightly["n"]) == {1}
    assert set(nightly["flux"].unmasked.value) == set(forced["flux"].unmasked.value)


def test_many_are_cleaned_and_binned_as_each_alone():
    curves = {
        "a": [surveys.atlas(), surveys.forced(), surveys.ztf()],
        "b": [surveys.lsst(withdrawn=[1])],
        "c": [surveys.atlas(9, seed=8), surveys.atlas(9, seed=8)],
    }
    for duplicates in ("flag", "drop"):
        nightly = bin_curve(clean(combine(curves, duplicates=duplicates)))
        handed_out = combine(curves, duplicates=duplicates)
        handed_out["a"]
        by_tables = bin_curve(clean({key: handed_out[key] for key in curves}))
        for key, parts in curves.items():
            alone = bin_curve(clean(combine(parts, duplicates=duplicates)))
            for found in (nightly[key], by_tables[key]):
                assert len(found) == len(alone) > 0
                assert found.colnames == alone.colnames
                for name in ("flux", "flux_err", "limiting_mag"):
                    assert np.array_equal(found[name].unmasked.value, alone[name].unmasked.value,
                                          equal_nan=True)  # fmt: skip
                assert found["n"].tolist() == alone["n"].tolist()
                assert np.array_equal(found.time.mjd, alone.time.mjd)


def test_many_have_all_columns_as_arrays():
    from atlasquery.lightcurve.light_curves import arrays_of

    curves = {"a": [surveys.atlas(), surveys.atlas()], "b": [surveys.lsst(withdrawn=[1])]}
    for duplicates in ("flag", "drop"):
        many = combine(curves, duplicates=duplicates)
        source = arrays_of(many, [])
        tables = [combine(parts, duplicates=duplicates) for parts in curves.values()]
        assert len(source) == sum(map(len, tables))
        for name in ("flux", "exposure_time", "limiting_mag", "atlas_x", "lsst_visit"):
            truth = [
                np.where(lc[name].mask if hasattr(lc[name], "mask") else False, np.nan,
                         np.asarray(getattr(lc[name], "unmasked", lc[name]), float))
                if name in lc.colnames else np.full(len(lc), np.nan) for lc in tables
            ]  # fmt: skip
            assert np.array_equal(source.numbers(name), np.concatenate(truth), equal_nan=True)
        for name in ("band", "exposure", "service", "measurement", "flux_kind", "time_reference"):
            truth = np.concatenate([np.asarray(lc[name]) for lc in tables])
            assert source.labels(name)[0].tolist() == truth.tolist()
        known = np.concatenate([~np.asarray(lc["duplicate_of"].mask) for lc in tables])
        assert source.labels("duplicate_of")[1].tolist() == known.tolist()
        assert known.sum() == (40 if duplicates == "flag" else 0)
        assert np.array_equal(source.mjd(), np.concatenate([lc.time.mjd for lc in tables]))
        with pytest.raises(InvalidQueryError, match="no column fluxx; did you mean"):
            source.check(["fluxx"])


def test_summary_is_of_differences_only(lc, differences):
    row, alone = summary(lc)[0], summary(differences)[0]
    assert row["peak_mag"] == alone["peak_mag"] and row["n_rows"] == alone["n_rows"]
    assert row["peak_flux"] > 300 * u.uJy and 16 * u.mag < row["peak_mag"] < 18 * u.mag
    assert peak(lc)["flux_kind"] == "difference"
    many = combine({"a": [surveys.atlas()], "b": [surveys.ztf()]})
    assert summary(many)["object"].tolist() == ["a", "b"]


def test_other_functions_take_them(lc):
    assert "signal_to_noise" in signal_to_noise(lc).colnames
    assert len(to_mag(lc, snr=3)) == len(lc)
    assert len(phase_fold(lc, 3 * u.day)) == len(lc)
    assert sparkline(lc).startswith("<svg")
    with pytest.raises(InvalidQueryError, match="subtract the baseline of each before"):
        subtract_baseline(lc)
    assert "ATLAS26abc" in repr(combine({"a": [surveys.atlas()]})["a"].meta)
    assert "2 objects" in str(combine({"a": [surveys.atlas()], "b": [surveys.ztf()]}))


@pytest.mark.parametrize("y", ["mag", "flux"])
def test_a_plot_tells_surveys_bands_and_kinds(lc, y):
    ax = plot(lc, y=y)
    handles, labels = ax.get_legend_handles_labels()
    style = {}
    for handle, label in zip(handles, labels, strict=True):
        if hasattr(handle, "lines"):
            line = handle.lines[0]
            style[label.split(",")[0], "forced" in label] = (
                line.get_marker(), line.get_color(), line.get_markerfacecolor())  # fmt: skip
    assert style["ATLAS o", False][0] != style["ZTF g", False][0] != style["LSST g", False][0]
    assert style["ZTF g", False][1] == style["LSST g", False][1] != style["ZTF r", False][1]
    # Forced photometry has open markers.
    assert style["ATLAS o", True][2] == "#ffffff" != style["ATLAS o", False][2]
    notes = [text.get_text() for text in ax.get_legend().get_texts()]
    assert any("duplicates not drawn" in note for note in notes)
    right = [one for one in ax.figure.axes if one.get_gid() == "atlasquery total fluxes"]
    if y == "mag":
        assert ax.get_ylabel() == "AB magnitude (mag)"
        assert right[0].get_ylabel() == "Magnitude of total flux (mag)"
        assert right[0].yaxis_inverted() and "total, S/N ≥ 3" in notes
        low, high = sorted(right[0].get_ylim())
        assert 14.5 < low < high < 15.5
    else:
        # Magnitudes of an unknown system have no flux.
        assert not right and any("magnitudes without a flux" in note for note in notes)
    mpl.pyplot.close(ax.figure)


def test_the_legend_of_several_surveys_has_each_survey_band_and_kind_once(lc):
    ax = plot(lc)
    texts = [text.get_text() for text in ax.get_legend().get_texts()]
    assert texts[:4] == ["ATLAS", "hatnet", "LSST", "ZTF"]
    bands = [text.removesuffix(" band") for text in texts if text.endswith(" band")]
    assert len(bands) == len(set(bands)) and set(bands) == set(np.asarray(lc["band"]).tolist())
    assert {"S/N ≥ 3", "total, S/N ≥ 3", "forced, S/N ≥ 3", "5σ limit"} <= set(texts)
    assert len(texts) == len(set(texts))
    mpl.pyplot.close(ax.figure)


def test_the_legend_of_one_survey_names_each_band_with_its_kind(lc):
    ax = plot(lc[lc["survey"] == "ztf"])
    texts = [text.get_text() for text in ax.get_legend().get_texts()]
    assert {"ZTF g, detection", "ZTF g, forced, S/N ≥ 3"} <= set(texts)
    mpl.pyplot.close(ax.figure)


def test_a_magnitude_without_a_flux_is_faint_by_its_error():
    with pytest.warns(InputWarning, match="lccserver"):
        lc = combine([surveys.lcc()])
    lc["mag_err"][0] = 0.4 * u.mag
    ax = plot(lc)
    texts = [text.get_text() for text in ax.get_legend().get_texts()]
    assert any("S/N < 3" in text for text in texts)
    mpl.pyplot.close(ax.figure)


def test_a_plot_of_total_fluxes_alone_has_one_axis():
    with pytest.warns(InputWarning, match="lccserver"):
        lc = combine([surveys.lcc()])
    ax = plot(lc)
    assert len(ax.figure.axes) == 1 and ax.get_ylabel() == "Magnitude (mag)"
    mpl.pyplot.close(ax.figure)


def test_a_plot_with_two_kinds_has_no_axis_of_absolute_magnitudes(lc, differences):
    with pytest.raises(InvalidQueryError, match="one kind of flux"):
        plot(lc, redshift=0.02)
    ax = plot(differences, redshift=0.02)
    mpl.pyplot.close(ax.figure)


def test_markers_are_visible_on_a_dark_background(lc):
    with mpl.pyplot.style.context("dark_background"):
        ax = plot(lc)
        lines = [c.lines[0] for c in ax.containers]
        edges = {mpl.colors.to_hex(line.get_markeredgecolor()) for line in lines}
        faces = {mpl.colors.to_hex(line.get_markerfacecolor()) for line in lines}
        assert "#ffffff" in edges and "#000000" in faces and "#ffffff" not in faces
        mpl.pyplot.close(ax.figure)


def test_plots_drawn_twice_and_on_pages(lc):
    ax = plot(lc)
    again = plot(lc, ax=ax)
    assert len([one for one in again.figure.axes if one.get_gid()]) == 1
    pages = plot_many({"a": lc, "b": combine([surveys.atlas()])})
    assert len(pages) == 1
    mpl.pyplot.close("all")


def test_interactive_plots_have_two_axes(lc):
    pytest.importorskip("plotly")
    figure = plot_interactive(lc)
    by_name = {trace.name: trace for trace in figure.data}
    assert by_name["hatnet r, total, S/N ≥ 3"].yaxis == "y2"
    assert figure.layout.yaxis2.title.text == "Magnitude of total flux (mag)"
    assert by_name["ATLAS o, S/N ≥ 3"].marker.symbol == "circle"
    assert by_name["LSST g, S/N ≥ 3"].marker.symbol == "diamond"
