"""How many light curves show themselves."""

import re

import pytest

from atlasquery.alerce import conf
from atlasquery.exceptions import InputWarning
from atlasquery.lightcurve import bin as binned
from atlasquery.lightcurve import clean
from atlasquery.sandbox.alerce import edge_cases
from atlasquery.sandbox.http import Response

EVIL = "<script>alert(1)</script>\x1b[31m"


def test_a_collection_is_shown_by_its_first(alerce, double):
    names = [edge_cases.name(n) for n in range(14)]
    double.faults[f"{names[3]}/lightcurve"] = Response(404, {"message": EVIL})
    with conf.set_temp("retries", 0), pytest.warns(InputWarning):
        found = alerce.get_light_curves(names, on_error="warn", cache=False)
    page = found._repr_html_()
    rows = re.findall("<tr>(.*?)</tr>", page)
    assert re.findall("<th[^>]*>(.*?)</th>", rows[0]) == ["Object", "Detections", "Light curve"]
    assert len(rows) == 1 + 10 + 2 and page.count("<svg") == 10
    assert (
        names[0] in rows[1]
        and f"{edge_cases.detection_count(0)} of {len(found[names[0]])}" in rows[1]
    )
    assert "Collection of 13 TimeSeries, 1 failed" in page and "<p>and 3 more</p>" in page
    assert names[3] in rows[-1] and "<script" not in page and "<script" not in str(found)
    lines = str(found).splitlines()
    assert lines[0] == "Collection of 13 TimeSeries, 1 failed"
    assert lines[1].split()[0] == names[0] and lines[11] == "  and 3 more"
    assert lines[12].startswith(f"  {names[3]}  failed: ALeRCE does not know {names[3]}")
    assert "\x1b" not in str(found)


def test_numbers_of_lsst_are_shown(alerce):
    numbers = [edge_cases.FIRST_LSST + n for n in range(10, 13)]
    found = alerce.get_light_curves(numbers, survey="lsst")
    assert all(str(number) in found._repr_html_() for number in numbers)
    assert "failed" not in found._repr_html_() and "more" not in str(found)


def test_what_was_made_of_them_is_shown_and_not_handed_out(alerce):
    curves = alerce.get_light_curves([edge_cases.name(n) for n in range(12)])
    cleaned = clean(curves, preset="plot_atlas_fp", reduced_chi2_max=None)
    assert cleaned._source is not None
    for result in (cleaned, binned(curves, "1 d")):
        source = result._source
        assert result._repr_html_().count("<svg") == 10
        assert str(result).splitlines()[-1] == "  and 2 more"
        # Light curves that are only looked at stay what is worked on together.
        assert result._source is source and not result._made
        first = next(iter(result))
        result[first]["detection"][:] = False
        assert f"0 of {len(result[first])}" in result._repr_html_()
