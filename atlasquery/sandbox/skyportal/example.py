"""What the SkyPortal of the documentation has: the one sky, and a few sources of every kind."""

import math

from ..sky import SEED
from .events import add_analysis, add_event, add_galaxy, png
from .gravitational_waves import add_gravitational_wave
from .one_sky import add_one_sky
from .state import PortalState
from .tables import add_spectrum

__all__ = ["fill"]

ASKED = {"start_date": "2026-05-02 00:00:00", "end_date": "2026-05-09 00:00:00", "priority": 3}


def fill(state: PortalState, seed: int = SEED) -> None:
    """Fill an empty instance.

    Parameters
    ----------
    state : PortalState
        Its state.
    seed : int, optional
        Seed of the sky.
    """
    add_one_sky(state, seed)
    state.groups[3]["name"] = "ATLAS transients"
    state.add_source(
        "ATLAS24abc", 150.1163, 2.2058, redshift=0.031, redshift_error=0.001, transient=True,
        alias=["ZTF24xyz"], origin="ATLAS",
    )  # fmt: skip
    state.add_source("ATLAS24abd", 150.1166, 2.206, transient=True)
    state.add_source(
        "ZTF24abcdefg", 150.09, 2.215, redshift=0.052, transient=True, tns_name="SN 2024abc"
    )
    for n in range(5):
        state.add_candidate(
            f"ATLAS25c{n:03d}", 36.6 + n, -2.5, redshift=0.02 + 0.01 * n,
            passed_at=f"2025-01-0{n + 1}T12:00:00",
        )  # fmt: skip
    _rise_and_fall(state, "ATLAS24abc", ("atlasc", "atlaso"), 1)
    _rise_and_fall(state, "ZTF24abcdefg", ("ztfg", "ztfr"), 2)
    state.classify("ATLAS24abc", "Ia", 0.9)
    state.comment("ATLAS24abc", "A comment")
    state.annotate("ATLAS24abc", "sherlock", {"class": "SN", "sep_arcsec": 1.2})
    state.tables["stars"] = {"ATLAS24abc": {"gaia": {"Mag_G": 17.1}, "irsa": {"w1mpro": 14.2}}}
    _requests(state)
    add_spectrum(state, "ZTF24abcdefg", units="erg/s/cm/cm/AA", errors=[1e-18] * 3)
    add_galaxy(state, "NGC 4255", 150.0157, 2.2049, redshift=0.08682, distmpc=397.0)
    add_galaxy(state, "2dFGRS 312", 150.2, 2.4, redshift=0.021, distmpc=91.0)
    add_event(state, "2018-01-16T00:36:53", tags=("Fermi", "GRB"), maps=("214.74_28.14",))
    add_event(state, "2026-11-04T03:12:45", tags=("GW", "BNS"), maps=("bayestar.multiorder.fits",))
    add_gravitational_wave(state, seed)
    fit = {"t0": 60340.1, "x1": 0.3, "c": 0.02}
    drawn = {"plots": [png()], "corner": True}
    add_analysis(state, "ATLAS24abc", data={"results": fit, **drawn})
    waves = [3500.0 + 10.0 * n for n in range(500)]
    fluxes = [1e-16 * (1 + 0.3 * math.sin(wave / 300)) for wave in waves]
    add_spectrum(
        state, "ATLAS24abc", wavelengths=waves, fluxes=fluxes, errors=[1e-17] * len(waves),
        units="erg/s/cm/cm/AA", instrument_name="LRIS",
    )  # fmt: skip


def _rise_and_fall(state: PortalState, name: str, bands: tuple[str, str], instrument: int) -> None:
    """Add the light curve of a supernova, a point each second day."""
    for n in range(60):
        flux = 568.0 * math.exp(-(((n - 20) / 7.0) ** 2)) + 20.0 * math.sin(3.7 * n)
        state.add_point(
            name, 60300.3 + 2 * n, bands[n % 2], round(flux, 1), 20.0, instrument_id=instrument
        )


def _requests(state: PortalState) -> None:
    created = "2026-11-20T17:56:14.960970"
    state.tables["followups"] = {
        1: {
            "id": 1, "obj_id": "ATLAS24abc", "payload": ASKED, "comment": None,
            "status": "submitted", "allocation_id": 1, "created_at": created, "modified": created,
            "requester_id": 1, "requester": state.person("admin"), "obj": {}, "watchers": [],
            "allocation": {"id": 1, "instrument": state.instruments[1]},
        }
    }  # fmt: skip
    state.tables["assignments"] = {
        1: {
            "id": 1, "obj_id": "ATLAS24abc", "run_id": 1, "run": 1, "priority": "3",
            "comment": "hi", "status": "pending", "requester_id": 1,
            "requester": state.person("admin"), "obj": {}, "created_at": created,
            "modified": created,
            "rise_time_utc": "2026-12-24T10:16:56.513", "set_time_utc": "2026-12-25T18:01:42.637",
        }
    }  # fmt: skip
    state.tables["listings"] = {
        1: {
            "id": 1, "obj_id": "ZTF24abcdefg", "list_name": "favorites", "user_id": 1,
            "params": None, "created_at": created, "modified": created,
        }
    }  # fmt: skip
    state.ids.update(followup=1, assignment=1, listing=1)
