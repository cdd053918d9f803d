"""An exposure counts once, however many rows it has."""

import astropy.units as u
import numpy as np
import pytest
from astropy.table import Column, QTable, vstack
from example_curves import light_curve

from atlasquery.lightcurve import bin, first_detection, peak, summary
from atlasquery.lightcurve.arrays import CurveArrays
from atlasquery.lightcurve.exposures import repeated
from atlasquery.lightcurve.groups import make_groups

N = 12
TIME = 59000.3 + np.arange(N) / 8
FLUX = 100.0 + 7 * np.arange(N)


def both(second_flux=None, second_err=5.0, shift=0.0, **columns):
    """The same exposures as alerts and as forced photometry, in order of time."""
    names = np.array([f"pid{n}" for n in range(N)])
    alert = light_curve(TIME, FLUX, 10.0, "g", exposure=names, survey="ztf",
                        survey_columns={"forced": np.zeros(N, bool)})  # fmt: skip
    flux = FLUX + 3 if second_flux is None else second_flux
    forced = light_curve(TIME + shift, flux, second_err, "g", exposure=names, survey="ztf",
                         survey_columns={"forced": np.ones(N, bool)})  # fmt: skip
    return alert, forced, joined(alert, forced)


def joined(*curves):
    result = vstack([QTable(lc) for lc in curves], metadata_conflicts="silent")
    return result[np.argsort(result["time"].mjd, kind="stable")]


def same(one, other, *names):
    for name in names or ("flux", "flux_err", "n", "n_limits", "n_clipped", "total_exposure"):
        assert np.array_equal(np.asarray(one[name]), np.asarray(other[name])), name
    assert (one["time"] == other["time"]).all()


@pytest.mark.parametrize("shift", [0.0, 1 / 86400, -2 / 86400])
@pytest.mark.parametrize("shuffled", [False, True])
def test_forced_photometry_counts_before_an_alert(shift, shuffled):
    _, forced, table = both(shift=shift)
    if shuffled:
        table = table[np.random.default_rng(1).permutation(len(table))]
    binned = bin(table)
    same(binned, bin(forced))
    assert "12 of exposures that have another row" in binned.meta["history"][-1]
    assert "24 rows: 12 measured" in binned.meta["history"][-1]
    row, expected = summary(table)[0], summary(forced)[0]
    for name in ("n_rows", "n_detections", "peak_flux", "peak_mag", "first_mag", "rise_rate"):
        assert row[name] == expected[name]
    history = summary(table).meta["history"][-1]
    assert "left out 12 rows of exposures that have another row" in history
    assert peak(table)["flux"] == FLUX[-1] * u.uJy + 3 * u.uJy
    assert first_detection(table)["forced"]


def test_a_flux_counts_before_a_limit():
    flux = FLUX.copy()
    flux[::2] = np.nan
    alert, _, table = both(second_flux=flux)
    binned = bin(table)
    assert binned["n"].sum() == N and binned["n_limits"].sum() == 0
    # Where the forced row has no flux, that of the alert counts.
    assert bin(table, 1e-4 * u.day)["flux"].value.tolist() == FLUX.tolist()
    assert len(bin(alert)) == len(binned)


def test_a_limit_without_a_name_is_of_the_exposure_of_its_time():
    """ALeRCE does not name the exposures of non-detections, which forced photometry has again."""
    names = np.array([f"pid{n}" for n in range(N)])
    flux = np.where(np.arange(N) % 2, FLUX, np.nan)
    forced = light_curve(TIME, flux, 10.0, "g", exposure=names, survey="ztf",
                         survey_columns={"forced": np.ones(N, bool)})  # fmt: skip
    # What could not be measured has the limit of its exposure.
    limits = light_curve(TIME, np.nan, 10.0, "g", exposure="", survey="ztf",
                         survey_columns={"forced": np.zeros(N, bool)})  # fmt: skip
    binned = bin(joined(forced, limits), 1e-3 * u.day)
    assert binned["n"].tolist() == [0, 1] * (N // 2)
    assert binned["n_limits"].tolist() == [1, 0] * (N // 2)
    np.testing.assert_allclose(binned["limiting_mag"].value, limits["limiting_mag"].value)
    assert summary(joined(forced, limits))["n_rows"][0] == N
    # At another time, or of another survey, it is another exposure.
    limits["time"] = limits["time"] + 2 * u.s
    assert bin(joined(forced, limits), 1e-3 * u.day)["n_limits"].tolist() == [2, 1] * (N // 2)
    limits["time"], limits["survey"] = forced["time"], np.full(N, "lsst")
    assert bin(joined(forced, limits))["n_limits"].sum() == N + N // 2


def test_two_origins():
    def upload(origin, error):
        survey_columns = {"origin": np.full(N, origin), "instrument": np.full(N, "ZTF", "U8")}
        return QTable(
            light_curve(
                TIME, FLUX, error, "g", exposure="", survey="ztf", survey_columns=survey_columns
            )
        )

    first, second = upload("kowalski", 9.0), upload("fritz", 4.0)
    second["time"] = second["time"] + 0.4 * u.s
    table = joined(first, second)
    same(bin(table), bin(second))
    assert summary(table)["n_detections"][0] == N
    # Another instrument, or another time, is another exposure.
    second["instrument"] = np.full(N, "ATLAS")
    assert bin(joined(first, second))["n"].sum() == 2 * N
    second["instrument"], second["time"] = np.full(N, "ZTF"), second["time"] + 30 * u.s
    assert bin(joined(first, second))["n"].sum() == 2 * N
    # Rows that do not say who sent them are all that is known.
    bare = QTable(first)
    bare.remove_columns(["origin", "instrument"])
    assert bin(joined(bare, bare))["n"].sum() == 2 * N


def test_the_same_file_twice():
    lc = light_curve(TIME, FLUX, 10.0)
    same(bin(joined(lc, lc)), bin(lc))
    assert "12 of exposures" in bin(joined(lc, lc)).meta["history"][-1]


def test_what_the_user_keeps_apart_stays_apart():
    _, _, table = both()
    assert len(bin(table, by=("forced", "band"))) == 2 * len(bin(table))
    assert bin(table, by=("forced", "band"))["n"].sum() == 2 * N


def test_many_objects():
    _, forced, table = both()
    single = light_curve(TIME, FLUX, 10.0, "g", survey="ztf")
    many = bin({"a": table, "b": single, "c": forced})
    same(many["a"], bin(forced))
    same(many["b"], bin(single))
    assert many["a"].meta["history"][-1].endswith("left out 12 of exposures that have another row")
    assert "left out" not in many["b"].meta["history"][-1]
    parts = []
    for name, lc in (("a", table), ("b", table)):
        part = QTable(lc)
        part["oid"] = Column([name] * len(lc))
        parts.append(part)
    stacked = bin(vstack(parts), by=("oid", "band"))
    assert (stacked["n"].sum(), len(stacked)) == (2 * N, 2 * len(bin(table)))


def test_exposures_of_one_time_are_two():
    """ATLAS has pairs of different exposures with one and the same MJD."""
    lc = light_curve(np.repeat(TIME, 2), np.repeat(FLUX, 2), 10.0,
                     exposure=[f"01a{n}" for n in range(2 * N)])  # fmt: skip
    assert bin(lc)["n"].sum() == 2 * N
    table = joined(lc, lc)
    assert bin(table)["n"].sum() == 2 * N


def test_a_duplicate_of_the_survey_does_not_count():
    names = np.array([f"pid{n}" for n in range(N)])
    first = light_curve(
        TIME, FLUX, 5.0, exposure=names, survey_columns={"duplicate": np.full(N, -1)}
    )
    second = light_curve(
        TIME, FLUX + 9, 8.0, exposure=names, survey_columns={"duplicate": np.full(N, 1)}
    )
    same(bin(joined(first, second)), bin(second))


def test_any_order_by_its_definition():
    rng = np.random.default_rng(4)
    for _ in range(30):
        n = 40
        seconds = rng.integers(0, 30, n)
        names = np.array([f"e{k}" for k in rng.integers(0, 8, n)])
        lc = light_curve(59000 + seconds / 86400, rng.normal(0, 9, n),
                         rng.choice([3.0, 4.0], n), exposure=names)  # fmt: skip
        table = QTable(lc)[rng.permutation(n)]
        source = CurveArrays([table], ["lc"])
        mjd, flux = source.mjd(), source.numbers("flux")
        groups = make_groups([np.zeros(n, np.int64)])
        found = set(repeated(source, groups, mjd, flux, source.numbers("flux_err")).tolist())
        for name in set(names.tolist()):
            rows = np.flatnonzero(np.asarray(table["exposure"]) == name)
            left = [row for row in rows if row not in found]
            assert len(left) >= 1
            # Rows of one name that have company within the limit count once.
            if len(left) < len(rows):
                best = min(rows, key=lambda row: (table["flux_err"][row].value, row))
                assert best in left or len(left) > 1


def fast(n):
    """Frames of 0.9 s of a camera whose exposures have no names, as SkyPortal sends them."""
    survey_columns = {"origin": np.full(n, "camera"), "instrument": np.full(n, "fast")}
    time = 59000.5 + 0.9 * np.arange(n) / 86400
    unnamed = np.full(n, "")
    return light_curve(
        time, 100.0, 5.0, "g", exposure=unnamed, survey="skyportal", survey_columns=survey_columns
    )


def test_frames_of_a_fast_camera_all_count():
    assert bin(fast(20), "1 d")["n"].tolist() == [20]
    # Two within a second are one that came twice.
    assert bin(fast(2), "1 d")["n"].tolist() == [1]
