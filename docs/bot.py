"""Score what has changed on an ATLAS list since the last run, and write the scores back.

    python bot.py LIST STATE

It never prompts, so it can run from cron. STATE is a file in which it stores its state. The exit
code is 0 if all is done, 1 if some objects failed, 64 if LIST or STATE is wrong, 75 if the rest
is left for the next run, and 77 if the login is refused or has no write access.
"""

import argparse
import fcntl
import json
import os
import sys
import warnings
from pathlib import Path

import numpy as np
from astropy.table import Table
from astropy.time import Time

from atlasquery import Atlas
from atlasquery.exceptions import (
    InvalidQueryError,
    LoginError,
    NoResultsWarning,
    QuotaError,
    RemoteServiceError,
    TableParseError,
    TimeoutError,
    WriteError,
)

DONE, SOME_FAILED, WRONG_USE, LATER, NO_LOGIN = 0, 1, 64, 75, 77
RECENT_DAYS = 100
OBJECTS_PER_REQUEST = 25
# Requests in reserve: for the list, and for isolating an object that fails.
SPARE = 4


def score(source):
    """Return the scores of one object. Put your model here."""
    lc = source.light_curve
    detections = lc[lc["detection"]]
    snr = (detections["flux"] / detections["flux_err"]).filled(0).value
    nights = np.unique(np.floor(detections.time.mjd))
    return {"preal": 1 - 0.5 ** np.count_nonzero(snr > 5), "pfast": 0.5 ** len(nights)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("list", help="name of an ATLAS list, such as eyeball")
    parser.add_argument("state", type=Path, help="file with the state of the bot")
    asked = parser.parse_args()
    try:
        with asked.state.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return Run(asked.list, State(asked.state)).result()
    except BlockingIOError:
        say("another run is at work")
        return LATER
    except LoginError as error:
        say(error)
        return NO_LOGIN
    except (QuotaError, RemoteServiceError, TimeoutError, TableParseError) as error:
        say(error)
        return LATER
    except (InvalidQueryError, OSError) as error:
        say(error)
        return WRONG_USE


class Run:
    """One run over a list."""

    def __init__(self, name, state):
        self.name, self.state = name, state
        self.changed, self.failed, self.scored = {}, {}, 0

    def result(self):
        read_back(self.state)
        listed = Atlas.query_list(self.name, cache=False)
        # Objects without detections have no latest_mjd, and nothing to score.
        latest = np.ma.filled(np.ma.asarray(listed["latest_mjd"]), -np.inf)
        self.changed = {
            atlas_id: mjd
            for atlas_id, mjd in zip(listed["atlas_id"].tolist(), latest.tolist(), strict=True)
            if mjd > self.state.seen.get(atlas_id, 0)
        }
        # Those that have waited longest come first, and failures of the last run come last.
        waiting = sorted(self.changed, key=self.changed.get)
        again = self.state.failed & set(waiting)
        try:
            self.work([atlas_id for atlas_id in waiting if atlas_id not in again])
            self.work([atlas_id for atlas_id in waiting if atlas_id in again])
        finally:
            self.state.failed = (again - self.state.seen.keys()) | self.failed.keys()
            self.state.save()
            left = len(self.changed) - self.scored - len(self.failed)
            for atlas_id, reason in self.failed.items():
                say(f"{atlas_id} failed: {reason}")
            say(f"{len(listed)} on {self.name}, {len(self.changed)} changed, {self.scored} scored, "
                f"{len(self.failed)} failed, {left} left for the next run")  # fmt: skip
        return SOME_FAILED if self.failed else LATER if left else DONE

    def work(self, ids):
        """Read, score and write as many objects as the quota allows."""
        ids = ids[: allowed(1 + 1 / OBJECTS_PER_REQUEST)]
        if not ids:
            return
        start = min(self.changed[atlas_id] for atlas_id in ids) - RECENT_DAYS
        rows = []
        sources = Atlas.iter_sources(ids, start=start, on_error="warn")
        for source in sources:
            # A light curve for which the model fails, or returns NaN, must not end the run:
            # with dry_run the scores are checked, and nothing is sent.
            try:
                row = {"atlas_id": source.atlas_id, **score(source)}
                Atlas.add_vra_scores(Table([row]), dry_run=True)
            except Exception as error:
                self.failed[source.atlas_id] = error
            else:
                rows.append(row)
        # Objects that were not tried because of the quota have not failed.
        self.failed |= {i: e for i, e in sources.failures if not isinstance(e, QuotaError)}
        # Isolating the objects that fail may have taken further requests.
        rows = rows[: allowed(1)]
        if rows:
            self.write(Table(rows))

    def write(self, table):
        now = Time(np.floor(Time.now().unix), format="unix")
        state, stop = self.state, None
        # If this process is killed now, the next one has to know what may have been written.
        state.pending = {i: (self.changed[i], now.isot) for i in table["atlas_id"].tolist()}
        state.save()
        try:
            written = Atlas.add_vra_scores(table, time=now)
        except WriteError as error:
            # The table has the outcome of each row.
            written, stop = error.result, error.__cause__
        for atlas_id, ok, message in written["atlas_id", "ok", "message"].iterrows():
            atlas_id = int(atlas_id)
            if ok is np.ma.masked:
                # It remains pending, and the next run checks it.
                self.failed[atlas_id] = message
                continue
            mjd, _ = state.pending.pop(atlas_id)
            if ok:
                state.seen[atlas_id] = mjd
                self.scored += 1
            elif stop is None:
                self.failed[atlas_id] = message
        state.save()
        if stop is not None:
            raise stop


def allowed(cost):
    """Return the number of objects within the quota, for a cost in requests; None for all."""
    quota = Atlas.quota()
    return max(0, int((quota.remaining - SPARE) / cost)) if quota.limit else None


def read_back(state):
    """Check which scores of an interrupted run the server has."""
    if not state.pending:
        return
    first = min(time for _, time in state.pending.values())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NoResultsWarning)
        rows = Atlas.query_vra_scores(list(state.pending), start=Time(first), cache=False)
    stored = set(zip(rows["atlas_id"].tolist(), rows["time"].isot, strict=True))
    for atlas_id, (mjd, time) in state.pending.items():
        if (atlas_id, time) in stored:
            state.seen[atlas_id] = mjd
    say(f"{len(state.pending)} scores of an earlier run looked up")
    state.pending = {}
    state.save()


class State:
    """Objects that were scored, may have been scored, or failed; in a file written atomically."""

    def __init__(self, path):
        self.path = path
        self.seen, self.pending, self.failed = {}, {}, set()
        if not path.exists():
            return
        try:
            stored = json.loads(path.read_text())
            self.seen = {int(i): float(mjd) for i, mjd in stored["seen"].items()}
            self.pending = {int(i): (mjd, time) for i, (mjd, time) in stored["pending"].items()}
            self.failed = {int(i) for i in stored["failed"]}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise OSError(f"{path} is no state of this bot ({error!r}); move it away") from error

    def save(self):
        new = self.path.with_suffix(".new")
        with new.open("w") as file:
            kept = {"seen": self.seen, "pending": self.pending, "failed": sorted(self.failed)}
            json.dump(kept, file)
            file.flush()
            os.fsync(file.fileno())
        new.replace(self.path)


def say(text):
    print(Time.now().isot[:19], text, file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
