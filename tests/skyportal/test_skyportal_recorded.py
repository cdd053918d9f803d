"""What a real SkyPortal 1.4.0 answered in November 2026, through the methods that ask for it."""

import base64
import io
import json

import numpy as np
import pytest
from astropy.io import fits
from astropy.time import Time
from light_curves import random_curve

from atlasquery.exceptions import (
    NotFoundError,
    RemoteServiceError,
    TableParseError,
)
from atlasquery.sandbox.http import Response
from atlasquery.skyportal import conf

FOLDER = "recorded_2026-11"
A = "ATLAS24abc"
WHEN = "2026-11-04T03:12:45"


@pytest.fixture(autouse=True)
def _no_retries():
    with conf.set_temp("retries", 0):
        yield


@pytest.fixture
def served(double, shared):
    """Serve a recording for each request of its route; return what it has."""

    def serve(name):
        exchange = json.loads((shared / "samples" / "skyportal" / FOLDER / name).read_text())
        body = exchange.get("body")
        if isinstance(body, dict) and "truncated_json" in body:
            body = body["truncated_json"]
        if "body_base64_head" in exchange:
            body = base64.b64decode(exchange["body_base64_head"])
        kind = exchange["headers"]["Content-Type"]
        request = exchange["request"]
        double.faults = {f"{request['method']} {request['path']}": Response(
            exchange["status_code"], body, kind
        )}  # fmt: skip
        return body["data"] if isinstance(body, dict) and "data" in body else body

    return serve


def columns(table, rows, **names):
    """Check columns against the rows as they came; masked where they are null."""
    assert len(table) == len(rows)
    for name, wire in names.items():
        sent = [row.get(wire) for row in rows]
        mask = np.broadcast_to(getattr(table[name], "mask", False), len(rows)).tolist()
        assert mask == [one is None for one in sent], name
        found = [one for one, gone in zip(table[name].tolist(), mask, strict=True) if not gone]
        assert found == [one for one in sent if one is not None], name


def times(table, rows, name):
    sent = Time([row[name] for row in rows], scale="utc")
    assert np.abs((table[name] - sent).sec).max() < 1e-6


def read_services(s, sent):
    table = s.list_analysis_services()
    columns(
        table, sent, service_id="id", name="name", display_name="display_name", timeout="timeout"
    )


def read_candidates(s, sent):
    sent = {**sent, "totalMatches": 2}
    table = s.query_candidates(localization=WHEN, group_ids=7, max_rows=2)
    columns(table, sent["candidates"], id="id", ra="ra", dec="dec", redshift="redshift")
    assert table["is_source"].tolist() == [one["is_source"] for one in sent["candidates"]]


def read_classifications(s, sent):
    assert s.request("GET", "classification", paginate=True) == sent["classifications"]


def read_attachment(s, sent):
    assert s.get_attachment(A, 38) == sent == b"hello"


def read_chart(kind):
    def read(s, sent):
        chart = s.get_finding_chart(gaia=123456789, file_type=kind)
        assert chart.kind == kind and chart.data == sent

    return read


def read_source_chart(s, sent):
    assert s.request("GET", f"sources/{A}/finder", type="png") == sent


def read_followups(s, sent):
    rows = sent["followup_requests"]
    table = s.query_followups()
    columns(
        table, rows, id="id", source_id="obj_id", status="status", allocation_id="allocation_id",
        requester_id="requester_id", comment="comment",
    )  # fmt: skip
    assert [json.loads(one) for one in table["payload"]] == [row["payload"] for row in rows]
    assert table["instrument"].tolist() == [r["allocation"]["instrument"]["name"] for r in rows]
    times(table, rows, "created_at")


def read_galaxies(s, sent):
    table = s.query_galaxies(catalog="GLADE", localization=WHEN, probability=0.5, max_rows=3)
    columns(
        table, sent["galaxies"], galaxy_id="id", name="name", ra="ra", dec="dec",
        distance="distmpc", redshift="redshift",
    )  # fmt: skip


def read_events(s, sent):
    table = s.query_gcn_events()
    assert [one.isot[:19] for one in table["dateobs"]] == [e["dateobs"] for e in sent["events"]]
    names = [[one["localization_name"] for one in e["localizations"]] for e in sent["events"]]
    assert table["localizations"].tolist() == [", ".join(one) or None for one in names]


def read_map(s, sent):
    table = s.get_localization(WHEN, "mixed.multiorder.fits")
    rows = fits.getdata(io.BytesIO(sent))
    assert len(table) == len(rows) > 200
    assert table["UNIQ"].tolist() == rows["UNIQ"].tolist()
    assert table.meta["query"] == "get_localization"
    density = table["PROBDENSITY"]
    orders = np.log2(np.asarray(table["UNIQ"]) / 4).astype(int) // 2
    assert sorted(set(orders.tolist())) == [2, 3, 6]
    area = 4 * np.pi / (12 * 4.0**orders)
    assert float(np.sum(np.asarray(density) * area)) == pytest.approx(1.0, abs=1e-3)


def read_cut_map(s, sent):
    """The recording is cut off, and said to be."""
    with pytest.raises(TableParseError, match="is incomplete or damaged"):
        s.request("GET", f"localization/{WHEN}/name/mixed.multiorder.fits")


def read_plain(path):
    def read(s, sent):
        assert s.request("GET", path) == sent

    return read


def read_analyses(s, sent):
    table = s.list_analyses(A)
    columns(
        table, sent, analysis_id="id", source_id="obj_id", service_id="analysis_service_id",
        status="status", status_message="status_message", service="analysis_service_name",
    )  # fmt: skip
    times(table, sent, "created_at")


def read_analysis(s, sent):
    table = s.get_analysis(1)
    columns(table, [sent], analysis_id="id", source_id="obj_id", duration="duration")
    assert json.loads(table["parameters"][0]) == sent["analysis_parameters"]
    assert "REDACTED" not in str(table)


def read_results(s, sent):
    assert s.get_analysis_results(1) == sent
    assert sent["cov"] == [[1, 2], [3, 4]] and sent["nan"] is None


def read_plot(number, kind):
    def read(s, sent):
        plot = s.get_analysis_plot(1, number)
        assert plot.kind == kind and plot.data == sent

    return read


def read_offsets(s, sent):
    table = s.get_offset_stars(A)
    columns(
        table, sent["starlist_info"], name="name", ra="ra", dec="dec", mag="mag",
        position_angle="pa", starlist="str",
    )  # fmt: skip
    assert table["offset_east"][1] == 3.872
    assert table["offset_north"][1] == -9.923
    assert len(table.meta["starlist"].splitlines()) == len(table)


def read_faint(s, sent):
    table = s.query_criteria(peak_mag=(None, 25), max_rows=2)
    columns(table, sent["sources"], id="id", ra="ra", dec="dec", redshift="redshift")


def read_none(s, sent):
    assert len(s.query_criteria(peak_mag=(25, None))) == 0


def read_spectra(s, sent):
    spectra = s.get_spectra(A)
    rows = sorted(sent["spectra"], key=lambda row: (row["observed_at"], row["id"]))
    assert spectra.summary["spectrum_id"].tolist() == [row["id"] for row in rows]
    for table, row in zip(spectra, rows, strict=True):
        assert table["wavelength"].tolist() == row["wavelengths"]
        assert table["flux"].tolist() == row["fluxes"]
        errors = row["errors"] or [None] * len(row["fluxes"])
        assert table["flux_err"].tolist() == errors
        assert table.meta["units"] == row["units"]


READS = {
    "analysis_service_list": read_services,
    "candidates_localization_no_detections": read_candidates,
    "classification_counted_twice": read_classifications,
    "comment_attachment": read_attachment,
    "finder_gaia_png": read_chart("png"),
    "finder_pdf": read_chart("pdf"),
    "finder_png": read_chart("png"),
    "followup_list_filled": read_followups,
    "galaxies_with_localization": read_galaxies,
    "gcn_event_by_localization_tag": read_events,
    "gcn_event_list_with_maps": read_events,
    "localization_download": read_map,
    "localization_json": read_cut_map,
    "localization_properties": read_plain("localization/properties"),
    "localization_tags": read_plain("localization/tags"),
    "obj_analysis_list": read_analyses,
    "obj_analysis_list_of_source": read_plain(f"obj/{A}/analysis"),
    "obj_analysis_one": read_analysis,
    "obj_analysis_plot_pdf": read_plot(1, "pdf"),
    "obj_analysis_plot_png": read_plot(0, "png"),
    "obj_analysis_results": read_results,
    "source_finder_png": read_source_chart,
    "source_offsets": read_offsets,
    "sources_peak_mag_max": read_none,
    "sources_peak_mag_min": read_faint,
    "spectra": read_spectra,
}
REFUSALS = {
    "candidates_annotation_number_500": (RemoteServiceError, lambda s: s.query_candidates()),
    "candidates_localization_400": (
        RemoteServiceError,
        lambda s: s.query_candidates(localization=WHEN),
    ),
    "earthquake_404": (RemoteServiceError, lambda s: s.request("GET", "earthquake/us7000kufc")),
    "finder_error_facility": (
        RemoteServiceError,
        lambda s: s.get_finding_chart(gaia=1, facility="VLT"),
    ),
    "finder_error_imsize": (RemoteServiceError, lambda s: s.get_finding_chart(gaia=1)),
    "glade_gone_500": (
        RemoteServiceError,
        lambda s: s.request("POST", "galaxy_catalog/glade", json={"file_name": "x"}),
    ),
    "instrument_unknown": (
        NotFoundError,
        lambda s: s.upload_photometry(random_curve(2), A, 99),
    ),
    "localization_404": (NotFoundError, lambda s: s.get_localization(WHEN, "nope.fits")),
    "obj_analysis_403": (NotFoundError, lambda s: s.get_analysis(999)),
    "obj_analysis_corner": (NotFoundError, lambda s: s.get_analysis_corner(1)),
    "obj_analysis_plot_none": (NotFoundError, lambda s: s.get_analysis_plot(1, 7)),
    "phot_stat_none": (NotFoundError, lambda s: s.get_photometry_statistics("BULK260099")),
    "sources_alias_400": (RemoteServiceError, lambda s: s.query_criteria(origin="AL10")),
}


@pytest.mark.filterwarnings("ignore:.*(more|no such|no spectra|changed while|is not said)")
@pytest.mark.parametrize("name", READS)
def test_each_answer_is_read(skyportal, served, name):
    sent = served(f"{name}.json")
    READS[name](skyportal, sent)


@pytest.mark.parametrize("name", REFUSALS)
def test_each_refusal_keeps_its_words(skyportal, served, double, shared, name):
    served(f"{name}.json")
    kind, call = REFUSALS[name]
    with pytest.raises(kind) as caught:
        call(skyportal)
    (answer,) = double.faults.values()
    recorded = json.loads(answer.content)["message"]
    assert caught.value.status == answer.status
    words = " ".join(recorded.split())[:400]
    assert caught.value.reason.startswith(words)
    assert words[:100] in str(caught.value)


def test_a_bulk_deletion_that_is_not_allowed(ordinary, skyportal, double, served):
    """Whoever may not delete by upload id deletes the points singly."""
    double.state.add_source(A, 150.1163, 2.2058)
    table = skyportal.upload_photometry(random_curve(3), A, "ATLAS", 3)
    recorded = served("bulk_delete_401.json")
    (answer,) = double.faults.values()
    double.faults = {"DELETE .*bulk_delete": answer}
    assert recorded == {} and answer.status == 401
    assert skyportal.undo_upload(table)["ok"].all()
    assert len(double.asked("^DELETE")) == 4


def test_each_recording_has_a_test(shared):
    files = {path.stem for path in (shared / "samples" / "skyportal" / FOLDER).glob("*.json")}
    assert files == {*READS, *REFUSALS, "bulk_delete_401"}
