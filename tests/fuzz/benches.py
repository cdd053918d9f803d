"""For each service a double with something in it, and a call of each public method."""

import contextlib
import shutil
import tempfile
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import astropy.units as u
import numpy as np
from addresses import configured
from astropy.coordinates import SkyCoord
from astropy.table import Table
from clocks import HurriedClock, JumpingClock

PATIENCE = "10 min"


@dataclass
class Bench:
    """A service to be asked: how to make a client of it, and what it has.

    ``host`` stands in the addresses of its answers. ``calls`` maps the name of a public method,
    perhaps with a colon and a variant, to a function of a client and of ``known``.
    """

    name: str
    make: object
    host: str
    known: SimpleNamespace
    calls: dict
    #: What is set up before a call is recorded.
    renew: object = lambda: None
    #: Calls that do not go through the client's session.
    wire: tuple = ()
    #: Public methods that ask a server nothing.
    silent: set = field(default_factory=set)


NOTHING_ASKED = {
    "authenticated",
    "clear_cache",
    "has_credentials",
    "logout",
    "quota",
    "reset_cache_location",
}


def _folder(known):
    return Path(tempfile.mkdtemp(dir=known.folder))


@contextlib.contextmanager
def _set(conf, **values):
    values = {"backoff": 0.001, "retries": 0, "concurrency": 1, **values}
    with contextlib.ExitStack() as stack:
        for name, value in values.items():
            stack.enter_context(conf.set_temp(name, value))
        yield


@contextlib.contextmanager
def atlas(folder):
    """The ATLAS Transient Server: the sandbox."""
    from atlasquery.atlas import AtlasClass, conf
    from atlasquery.sandbox import Sandbox

    with Sandbox() as box, _set(conf):
        ids = box.manifest["ids"]["main"][:2]
        user = "writer"
        token = box.manifest["users"][user]["token"]
        one = int(ids[0])
        two = [int(i) for i in ids]
        first = AtlasClass(box.url)
        first.login(token=token)
        row = first.get_objects(one, cache=False)[0]
        place = SkyCoord(row["ra"], row["dec"], unit="deg")
        known = SimpleNamespace(
            one=one, two=two, place=place, folder=folder, token=token, user=user,
            password=box.manifest["users"][user]["password"], row=row,
            start=box.manifest["mjd_ref"] - 12.0,
        )  # fmt: skip

        def make(live=False):
            client = AtlasClass(box.url)
            client.login(token=token)
            client._clock = JumpingClock()
            return client

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            known.names = box.manifest["tns_names"][:1]
            # Written, so that there is something to read.
            first.set_vra_rank(one, 5, rank_alt1=5, is_gal_cand=False)
            first.add_vra_scores(one, preal=0.5)
            first.add_vra_todo(two)
        host = box.url.removesuffix("/api/")
        # Files on this machine, which no server sends.
        yield Bench("Atlas", make, host, known, ATLAS, silent={"list_lists", "read_sources"})


ATLAS = {
    "login": lambda c, k: c.login(k.user, password=k.password),
    "get_objects": lambda c, k: c.get_objects(k.two),
    "get_source": lambda c, k: c.get_source(k.one, start=k.start),
    "get_sources": lambda c, k: c.get_sources(k.two, start=k.start),
    "get_sources:warn": lambda c, k: c.get_sources(
        k.two, start=k.start, on_error="warn"
    ),
    "get_light_curve": lambda c, k: c.get_light_curve(k.one, start=k.start),
    "get_light_curves": lambda c, k: c.get_light_curves(k.two, start=k.start),
    "get_forced_photometry": lambda c, k: c.get_forced_photometry(k.one, start=k.start),
    "get_sherlock_crossmatches": lambda c, k: c.get_sherlock_crossmatches(k.two),
    "get_sherlock_classifications": lambda c, k: c.get_sherlock_classifications(k.two),
    "get_tns_crossmatches": lambda c, k: c.get_tns_crossmatches(k.two),
    "get_external_crossmatches": lambda c, k: c.get_external_crossmatches(k.two),
    "iter_sources": lambda c, k: list(c.iter_sources(k.two, start=k.start)),
    "download_sources": lambda c, k: c.download_sources(
        k.two, _folder(k), start=k.start, progress=False
    ),
    "query_region": lambda c, k: c.query_region(k.place, radius="60 arcsec"),
    "query_region:nearest": lambda c, k: c.query_region(k.place, radius="9 arcsec", nearest=True),
    "query_region:tiles": lambda c, k: c.query_region(k.place, radius="6 arcmin", positions=False),
    "count_region": lambda c, k: c.count_region(k.place, radius="60 arcsec"),
    "query_object": lambda c, k: c.query_object(k.one),
    "query_object:name": lambda c, k: c.query_object(f"AT{k.names[0]}"),
    "query_external_names": lambda c, k: c.query_external_names(k.names),
    "query_list": lambda c, k: c.query_list("good"),
    "get_list_members": lambda c, k: c.get_list_members("good"),
    "get_list_memberships": lambda c, k: c.get_list_memberships(k.one),
    "query_vra_scores": lambda c, k: c.query_vra_scores(k.two),
    "query_vra_todo": lambda c, k: c.query_vra_todo(k.two),
    "query_vra_ranks": lambda c, k: c.query_vra_ranks(k.two),
    "add_to_list": lambda c, k: c.add_to_list(k.two, 56),
    "remove_from_list": lambda c, k: c.remove_from_list(k.two, 56),
    "move_to_list": lambda c, k: c.move_to_list(k.two, "possible"),
    "add_vra_scores": lambda c, k: c.add_vra_scores(k.two, preal=0.9, pgal=0.1),
    "add_vra_todo": lambda c, k: c.add_vra_todo(k.two),
    "set_vra_rank": lambda c, k: c.set_vra_rank(k.one, 5, rank_alt1=4, is_gal_cand=False),
}  # fmt: skip


@contextlib.contextmanager
def forced(folder):
    """The forced photometry server, on a clock that jumps."""
    from atlasquery.forcedphot import AtlasForcedClass, ForcedJobs, conf
    from atlasquery.sandbox.forcedphot.server import ForcedSandbox

    clock = HurriedClock()
    with ForcedSandbox(clock) as double, _set(conf):
        user = double.users["alice"]
        known = SimpleNamespace(
            folder=folder, user=user.name, password=user.password,
            places=SkyCoord([1.0, 2.0], [5.0, 6.0], unit="deg"),
            one=SkyCoord(1.0, 5.0, unit="deg"), window={"start": 59000, "end": 59003},
        )  # fmt: skip

        def make(live=False):
            client = AtlasForcedClass(double.url)
            client._clock = clock if live else JumpingClock(clock.now())
            client.cache_location = _folder(known)
            client.login(token=user.token)
            return client

        first = make(live=True)
        begun = first.submit(known.places, **known.window)
        begun.save(folder / "begun.json")
        shutil.copy(folder / "begun.json", folder / "submitted.json")
        done = first.wait(begun)
        done.save(folder / "done.json")
        known.task, known.other = (int(task) for task in done["task_id"])
        first.wait(first.request_images(done[0]))
        known.token = user.token
        known.url = f"{double.url}queue/{known.task}/data.txt"

        def load(name):
            # A copy: what is known of jobs is kept in their file.
            path = shutil.copy(folder / f"{name}.json", _folder(known))
            return ForcedJobs.load(path)

        known.load = load
        known.of = lambda n: _one_of(load("done"), n)

        def renew():
            deletable = first.wait(first.submit(known.places, **known.window))
            deletable.save(folder / "deletable.json")
            known.tasks = [int(task) for task in deletable["task_id"]]

        yield Bench("AtlasForced", make, double.host, known, FORCED, renew, silent={"read_quota"})


def _one_of(jobs, n):
    jobs.jobs[:] = jobs.jobs[n : n + 1]
    return jobs


FORCED = {
    "login": lambda c, k: c.login(k.user, password=k.password),
    "submit": lambda c, k: c.submit(k.places, **k.window),
    "query_position": lambda c, k: c.query_position(
        k.one, **k.window, timeout=PATIENCE, progress=False
    ),
    "wait": lambda c, k: c.wait(k.load("submitted"), timeout=PATIENCE, progress=False),
    "update": lambda c, k: c.update(k.load("submitted")),
    "fetch": lambda c, k: c.fetch(k.load("done"), progress=False),
    "fetch:warn": lambda c, k: c.fetch(k.load("done"), progress=False, on_error="warn"),
    "read": lambda c, k: c.read(_taken(c, k.url, f"Token {k.token}")),
    "list_jobs": lambda c, k: c.list_jobs(),
    "delete": lambda c, k: c.delete(k.load("deletable")),
    "delete:numbers": lambda c, k: c.delete(k.tasks, keep_results=False),
    "get_control_curves": lambda c, k: c.get_control_curves(
        k.one, n=2, **k.window, timeout=PATIENCE, progress=False
    ),
    "request_images": lambda c, k: c.request_images(k.other),
    "get_images": lambda c, k: c.get_images(k.task, path=_folder(k) / "images.zip"),
    "get_stack": lambda c, k: c.get_stack(
        "K22W01O", start=59800, end=59810, timeout=PATIENCE, progress=False
    ),
}  # fmt: skip


def _taken(client, url, authorization):
    """Return the bytes that the server has at an address, as a user may have saved them."""
    headers = {"Authorization": authorization}
    return client._session.get(url, headers=headers, stream=True).raw.read()


@contextlib.contextmanager
def alerce(folder):
    """The servers of ALeRCE."""
    from atlasquery.alerce import AlerceClass, conf
    from atlasquery.sandbox.alerce import edge_cases
    from atlasquery.sandbox.alerce.server import AlerceSandbox

    with AlerceSandbox(seed=None) as double, configured(double), _set(conf):
        known = SimpleNamespace(
            folder=folder, one=edge_cases.name(4), two=[edge_cases.name(4), edge_cases.name(6)],
            adql="SELECT oid, meanra, ndet FROM object LIMIT 3",
            lsst=edge_cases.FIRST_LSST + 5,
            lsst_two=[edge_cases.FIRST_LSST + 5, edge_cases.FIRST_LSST + 7],
            place=SkyCoord(150.1, 2.2, unit="deg"),
            candid=next(row["candid"] for row in edge_cases.detections(4) if row["has_stamp"]),
            candids=[
                next(row["candid"] for row in edge_cases.detections(n) if row["has_stamp"])
                for n in (4, 6)
            ],
        )  # fmt: skip
        known.alert = next(row["measurement_id"] for row in edge_cases.lsst_rows(5, forced=False))

        def make(live=False):
            client = AlerceClass()
            client._clock = JumpingClock()
            return client

        yield Bench(
            "Alerce", make, double.url, known, ALERCE, wire=("query_tap",), silent={"login"}
        )


ALERCE = {
    "query_region": lambda c, k: c.query_region(k.place, radius="3 arcsec"),
    "query_region:lsst": lambda c, k: c.query_region(k.place, radius="9 arcsec", survey="lsst"),
    "query_criteria": lambda c, k: c.query_criteria(class_name="SN", n_det=(10, 20), max_rows=5),
    "query_criteria:lsst": lambda c, k: c.query_criteria(survey="lsst", n_det=(1, 9), max_rows=5),
    "query_objects": lambda c, k: c.query_objects(k.two),
    "query_objects:lsst": lambda c, k: c.query_objects(k.lsst_two, survey="lsst"),
    "query_object": lambda c, k: c.query_object(k.one),
    "query_object:lsst": lambda c, k: c.query_object(k.lsst, survey="lsst"),
    "get_light_curve": lambda c, k: c.get_light_curve(k.one, forced=True),
    "get_light_curve:lsst": lambda c, k: c.get_light_curve(k.lsst, survey="lsst", forced=True),
    "get_light_curves": lambda c, k: c.get_light_curves(k.two, progress=False),
    "get_light_curves:lsst": lambda c, k: c.get_light_curves(
        k.lsst_two, survey="lsst", progress=False, on_error="warn"
    ),
    "get_detections": lambda c, k: c.get_detections(k.one),
    "get_detections:lsst": lambda c, k: c.get_detections(k.lsst, survey="lsst"),
    "get_non_detections": lambda c, k: c.get_non_detections(k.one),
    "get_forced_photometry": lambda c, k: c.get_forced_photometry(k.one),
    "get_forced_photometry:lsst": lambda c, k: c.get_forced_photometry(k.lsst, survey="lsst"),
    "get_probabilities": lambda c, k: c.get_probabilities(k.one),
    "get_probabilities:lsst": lambda c, k: c.get_probabilities(k.lsst, survey="lsst"),
    "get_features": lambda c, k: c.get_features(k.one),
    "get_feature": lambda c, k: c.get_feature(k.one, "Amplitude"),
    "get_magstats": lambda c, k: c.get_magstats(k.one),
    "get_magstats:lsst": lambda c, k: c.get_magstats(k.lsst, survey="lsst"),
    "list_classifiers": lambda c, k: c.list_classifiers(),
    "list_classifiers:lsst": lambda c, k: c.list_classifiers(survey="lsst"),
    "list_classes": lambda c, k: c.list_classes("stamp_classifier"),
    "get_stamps": lambda c, k: c.get_stamps(k.one, k.candid),
    "get_stamps:lsst": lambda c, k: c.get_stamps(k.lsst, k.alert, survey="lsst"),
    "plot_stamps": lambda c, k: c.plot_stamps(k.one, k.candid),
    "get_avro": lambda c, k: c.get_avro(k.one),
    "get_avro:decoded": lambda c, k: c.get_avro(k.one, decoded=True),
    "query_catshtm_region": lambda c, k: c.query_catshtm_region(k.place, radius="2 arcsec"),
    "query_catshtm_region:one": lambda c, k: c.query_catshtm_region(
        k.place, radius="2 arcsec", catalog="GAIA/DR1"
    ),
    "crossmatch_catshtm": lambda c, k: c.crossmatch_catshtm(k.place, radius="2 arcsec"),
    "crossmatch_catshtm:one": lambda c, k: c.crossmatch_catshtm(
        k.place, radius="2 arcsec", catalog="GAIA/DR1"
    ),
    "get_catshtm_redshift": lambda c, k: c.get_catshtm_redshift(k.place, radius="2 arcsec"),
    "query_tap": lambda c, k: c.query_tap(k.adql),
}  # fmt: skip


@contextlib.contextmanager
def lcc(folder):
    """An LCC-Server."""
    from lcc_datasets import keep_dataset

    from atlasquery.lccserver import LCCServerClass, conf
    from atlasquery.sandbox.lccserver import catalogs
    from atlasquery.sandbox.lccserver.server import LCCSandbox

    with LCCSandbox() as double, _set(conf):
        rows = [("synth_alpha", row) for row in catalogs.objects()["synth_alpha"]]
        rows.sort(key=lambda pair: pair[1]["ndet"])
        key = double.add_key("K" * 32)
        known = SimpleNamespace(
            folder=folder, setid=keep_dataset(double, rows[:2]), one=rows[0][1]["objectid"],
            place=SkyCoord(rows[0][1]["ra"], rows[0][1]["decl"], unit="deg"), key=key,
            host=double.url.rstrip("/"),
            setids=[
                keep_dataset(double, rows[:2], "first000000"),
                keep_dataset(double, rows[2:4], "second00000"),
            ],
            objects=["SYA-0000001", "SYA-0000002"],
        )  # fmt: skip

        def make(live=False):
            client = LCCServerClass(double.url)
            client._clock = JumpingClock()
            client.cache_location = _folder(known)
            return client

        yield Bench("LCCServer", make, known.host, known, LCC, silent={"login"})


QUIET = {"timeout": PATIENCE, "progress": False}
LCC = {
    "verify": lambda c, k: c.login(token=k.key) and c.verify(),
    "list_collections": lambda c, k: c.list_collections(),
    "list_columns": lambda c, k: c.list_columns(),
    "list_datasets": lambda c, k: c.list_datasets(max_rows=5),
    "get_dataset": lambda c, k: c.get_dataset(k.setid),
    "get_object": lambda c, k: c.get_object(k.one, "synth-alpha"),
    "get_light_curve": lambda c, k: c.get_light_curve(k.one, "synth-alpha"),
    "get_light_curves": lambda c, k: c.get_light_curves(k.setid, **QUIET),
    "get_light_curves:warn": lambda c, k: c.get_light_curves(k.setid, on_error="warn", **QUIET),
    "read": lambda c, k: c.read(
        _taken(c, f"{k.host}/l/synth-alpha/{k.one}-csvlc.gz", f"Bearer {k.key}")
    ),
    "query_region": lambda c, k: c.query_region(k.place, radius="1 arcmin", **QUIET),
    "query_criteria": lambda c, k: c.query_criteria("sdssr < 11", max_rows=3, **QUIET),
    "query_text": lambda c, k: c.query_text("SYA-0000001", **QUIET),
    "crossmatch": lambda c, k: c.crossmatch(k.place, "3 arcsec", ids=["a"], **QUIET),
    "fetch": lambda c, k: c.fetch(
        c.query_criteria("sdssr < 11", max_rows=3, wait=False, progress=False), **QUIET
    ),
}  # fmt: skip


@contextlib.contextmanager
def skyportal(folder):
    """An instance of SkyPortal."""
    from light_curves import random_curve

    from atlasquery.sandbox.skyportal.events import add_analysis, sky_map
    from atlasquery.sandbox.skyportal.example import fill
    from atlasquery.sandbox.skyportal.server import ADMIN, SkyPortalSandbox
    from atlasquery.skyportal import SkyPortalClass, conf

    spectrum = Table({"wavelength": [4000.0, 5000.0] * u.AA, "flux": [1.0, 2.0] * u.Jy})
    with SkyPortalSandbox() as double, _set(conf):
        known = SimpleNamespace(
            folder=folder, one="ATLAS24abc", two=["ATLAS24abc", "ATLAS24abd"], token=ADMIN,
            place=SkyCoord(150.1163, 2.2058, unit="deg"), curve=random_curve(3),
            asked={"start_date": "2026-05-02 00:00:00", "end_date": "2026-05-09 00:00:00"},
            sky_map=sky_map, spectrum=spectrum, pair=["ATLAS24abc", "ZTF24abcdefg"],
        )  # fmt: skip

        def make(live=False):
            client = SkyPortalClass(double.url, token=ADMIN)
            client._clock = JumpingClock()
            client.cache_location = _folder(known)
            return client

        def renew():
            double.reset()
            fill(double.state)
            # Few points: each answer is changed in one place.
            seen = {}
            for number in sorted(double.state.points):
                name = double.state.points[number]["obj_id"]
                seen[name] = seen.get(name, 0) + 1
                if seen[name] > 4:
                    double.state.points.pop(number)
            for row in double.state.tables["spectra"]:
                for key in ("wavelengths", "fluxes", "errors"):
                    row[key] = row[key][:5]
            for name in known.pair:
                double.state.comment(name, "Seen.")
                double.state.annotate(name, "broker", {"a": 1})
                double.state.classify(name, "Ib", 0.5)
            add_analysis(double.state, "ZTF24abcdefg", data={"results": {"z": 0.1}})
            double.state.tables["attachments"] = {1: b"a file"}
            # As servers of 2023 did.
            double.state.draws_corners = True
            known.upload = make().upload_photometry(known.curve, "ATLAS24abd", "ATLAS", 3)
            double.received.clear()

        renew()
        yield Bench("SkyPortal", make, double.url.removesuffix("/api/"), known, SKYPORTAL, renew)


SKYPORTAL = {
    "login": lambda c, k: c.login(token=k.token),
    "query_region": lambda c, k: c.query_region(k.place, radius="2 arcmin"),
    "query_region:many": lambda c, k: c.query_region(
        SkyCoord([k.place, k.place]), radius="2 arcsec"
    ),
    "query_criteria": lambda c, k: c.query_criteria(redshift=(0.01, 0.1)),
    "get_source": lambda c, k: c.get_source(k.one),
    "query_candidates": lambda c, k: c.query_candidates(group_ids=3, max_rows=3),
    "get_candidate": lambda c, k: c.get_candidate("ATLAS25c001"),
    "get_photometry": lambda c, k: c.get_photometry(k.one),
    "get_light_curves": lambda c, k: c.get_light_curves(k.two, progress=False, on_error="warn"),
    "get_spectra": lambda c, k: c.get_spectra(k.one),
    "get_classifications": lambda c, k: c.get_classifications(k.one),
    "get_comments": lambda c, k: c.get_comments(k.one),
    "get_annotations": lambda c, k: c.get_annotations(k.one),
    "query_galaxies": lambda c, k: c.query_galaxies(k.place, radius="1 deg"),
    "query_galaxies:all": lambda c, k: c.query_galaxies(redshift=(0.001, 0.5)),
    "list_galaxy_catalogs": lambda c, k: c.list_galaxy_catalogs(),
    "query_gcn_events": lambda c, k: c.query_gcn_events(start="2018-01-01"),
    "get_localization": lambda c, k: c.get_localization("2018-01-16T00:36:53"),
    "get_localization:file": lambda c, k: c.get_localization("2018-01-16T00:36:53", as_hdus=True),
    "get_finding_chart": lambda c, k: c.get_finding_chart(k.place, obstime="2026-01-02"),
    "list_facilities": lambda c, k: c.list_facilities(),
    "list_analysis_services": lambda c, k: c.list_analysis_services(),
    "list_analyses": lambda c, k: c.list_analyses(k.one),
    "get_analysis": lambda c, k: c.get_analysis(1),
    "get_analysis_results": lambda c, k: c.get_analysis_results(1),
    "get_analysis_plot": lambda c, k: c.get_analysis_plot(1),
    "get_analysis_corner": lambda c, k: c.get_analysis_corner(1),
    "source_exists": lambda c, k: c.source_exists(k.one),
    "source_exists:place": lambda c, k: c.source_exists(coordinates=k.place, radius="2 arcsec"),
    "get_position": lambda c, k: c.get_position(k.one),
    "get_source_groups": lambda c, k: c.get_source_groups(k.one),
    "get_photometry_statistics": lambda c, k: c.get_photometry_statistics(k.one),
    "get_system_info": lambda c, k: c.get_system_info(),
    "list_groups": lambda c, k: c.list_groups(),
    "list_groups:name": lambda c, k: c.list_groups(name="Second group"),
    "list_filters": lambda c, k: c.list_filters(),
    "list_streams": lambda c, k: c.list_streams(),
    "list_instruments": lambda c, k: c.list_instruments(),
    "list_telescopes": lambda c, k: c.list_telescopes(),
    "list_taxonomies": lambda c, k: c.list_taxonomies(),
    "list_allocations": lambda c, k: c.list_allocations(),
    "list_observing_runs": lambda c, k: c.list_observing_runs(),
    "query_followups": lambda c, k: c.query_followups(source_id=k.one),
    "get_followup_schedule": lambda c, k: c.get_followup_schedule("ATLAS"),
    "get_assignments": lambda c, k: c.get_assignments(run_id=1),
    "get_assignments:source": lambda c, k: c.get_assignments(source_id=k.one),
    "request": lambda c, k: c.request("GET", "sources", paginate=True),
    "request:one": lambda c, k: c.request("GET", "groups"),
    "save_source": lambda c, k: c.save_source("NEW1", k.place, groups="ATLAS transients"),
    "save_source:old": lambda c, k: c.save_source(k.one, k.place, groups=4),
    "save_candidate": lambda c, k: c.save_candidate("C9", k.place, filters=1, passed_at=60000.0),
    "upload_photometry": lambda c, k: c.upload_photometry(k.curve, k.one, "ATLAS", 3),
    "upload_photometry:warn": lambda c, k: c.upload_photometry(
        k.curve, k.one, "ATLAS", 3, on_error="warn"
    ),
    "undo_upload": lambda c, k: c.undo_upload(k.upload),
    "undo_upload:id": lambda c, k: [
        c.undo_upload(one)
        for one in c.upload_photometry(k.curve, k.one, "ATLAS", 3).meta["upload_ids"]
    ],
    "add_classification": lambda c, k: c.add_classification(k.two, "Ib", groups=3),
    "vote_classification": lambda c, k: c.vote_classification(1, "up"),
    "add_comment": lambda c, k: c.add_comment(k.two, "Rising."),
    "add_annotation": lambda c, k: c.add_annotation(k.two, "me", {"a": 1.5}),
    "annotate_from_catalog": lambda c, k: c.annotate_from_catalog(k.one, "gaia", groups=3),
    "submit_followup": lambda c, k: c.submit_followup(k.one, 1, k.asked, groups=3),
    "update_followup": lambda c, k: c.update_followup(1, payload=k.asked),
    "delete_followup": lambda c, k: c.delete_followup(1),
    "add_assignment": lambda c, k: c.add_assignment("ATLAS24abd", 1),
    "update_assignment": lambda c, k: c.update_assignment(1, status="complete", priority=1),
    "delete_assignment": lambda c, k: c.delete_assignment(1),
    "start_analysis": lambda c, k: c.start_analysis(k.one, "salt", parameters={"z": 0.03}),
    "upload_analysis": lambda c, k: c.upload_analysis(
        k.one, 1, {"results": {"format": "json", "data": {}}}
    ),
    "delete_analysis": lambda c, k: c.delete_analysis(1),
    "upload_spectrum": lambda c, k: c.upload_spectrum(k.spectrum, k.one, "ZTF", 60000.0),
    "unsave_source": lambda c, k: c.unsave_source(k.one, "ATLAS transients"),
    "list_listings": lambda c, k: c.list_listings("favorites"),
    "add_to_list": lambda c, k: c.add_to_list(k.two, "favorites"),
    "remove_from_list": lambda c, k: c.remove_from_list("ZTF24abcdefg", "favorites"),
    "get_attachment": lambda c, k: c.get_attachment(k.one, 1),
    "get_offset_stars": lambda c, k: c.get_offset_stars(k.one),
}  # fmt: skip

BENCHES = {
    "Atlas": atlas, "AtlasForced": forced, "Alerce": alerce, "LCCServer": lcc,
    "SkyPortal": skyportal,
}  # fmt: skip


def consume(result, *, shown=True):
    """Look at all that a result has: what is decoded when it is asked for, and how it is shown."""
    if hasattr(result, "light_curve") and hasattr(result, "tns_crossmatches"):
        for name in (
            "info", "coordinates", "name", "light_curve", "forced_photometry",
            "sherlock_classifications", "sherlock_crossmatches", "tns_crossmatches",
            "external_crossmatches",
        ):  # fmt: skip
            getattr(result, name)
    elif isinstance(result, dict) or hasattr(result, "values"):
        if callable(getattr(result, "values", None)):
            for value in result.values():
                consume(value, shown=shown)
    elif isinstance(result, (list, tuple)) and not hasattr(result, "readall"):
        for value in result[:20]:
            consume(value, shown=shown)
    elif hasattr(result, "readall"):
        for hdu in result:
            # One that is damaged may have none.
            np.size(getattr(hdu, "data", None))
    elif hasattr(result, "savefig"):
        import matplotlib.pyplot as plt

        plt.close(result)
    if hasattr(result, "coordinates") and hasattr(result, "pictures"):
        _ = result.coordinates, result.pictures
    if shown:
        repr(result)
        if hasattr(result, "_repr_html_"):
            result._repr_html_()


__all__ = ["BENCHES", "NOTHING_ASKED", "Bench", "consume", "u"]
