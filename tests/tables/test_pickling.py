"""Tables in pickles: a masked time stays masked, which astropy alone loses."""

import pickle

import numpy as np
import pytest
from astropy.table import Table
from astropy.time import Time

from atlasquery.tables.pickling import PickledTable


@pytest.mark.parametrize("rows", [0, 1, 3])
@pytest.mark.parametrize("scale", ["utc", "tai"])
def test_masked_times_stay_masked(rows, scale):
    times = Time(51544.5 + np.arange(rows) + 1e-9, format="mjd", scale=scale)
    times[np.arange(rows) % 2 == 0] = np.ma.masked
    table = Table({"id": np.arange(rows), "when": times, "name": np.arange(rows).astype(str)})
    table["when"].info.description = "a time"
    again = pickle.loads(pickle.dumps(PickledTable(table))).restore()
    assert again.colnames == table.colnames
    found = again["when"]
    assert (found.scale, found.format, found.info.description) == (scale, "mjd", "a time")
    assert np.broadcast_to(found.mask, rows).tolist() == np.broadcast_to(times.mask, rows).tolist()
    assert np.array_equal(found[1::2].jd1, times[1::2].jd1)
    assert np.array_equal(found[1::2].jd2, times[1::2].jd2)
    assert table.colnames == ["id", "when", "name"] and "when" in table.colnames
