"""Ask a client again and again for what it was recorded with, each time something changed."""

import contextlib
import copy
import faulthandler
import functools
import gc
import random
import time
import traceback
import warnings
import zlib
from collections import Counter
from dataclasses import dataclass, field

from astroquery import cache_conf
from benches import consume
from exchanges import DetourAdapter, RecordingAdapter, Replay, ReplayAdapter, ReplayServer
from mutations import mutated

from atlasquery import exceptions

# What a call may raise: what the documentation names, and nothing else.
TYPED = tuple(
    found for found in map(vars(exceptions).get, exceptions.__all__)
    if issubclass(found, Exception) and not issubclass(found, Warning)
)  # fmt: skip
#: Seconds of processor time that a call may take.
SLOW = 2.0


@dataclass
class Recorded:
    """The exchanges of a call, and what was known of the service."""

    exchanges: list
    known: object


@dataclass
class Tally:
    """What became of the calls."""

    outcomes: Counter = field(default_factory=Counter)
    by_call: Counter = field(default_factory=Counter)
    #: By kind and place of an error how often it was met, with an example.
    untyped: Counter = field(default_factory=Counter)
    examples: dict = field(default_factory=dict)
    slow: list = field(default_factory=list)
    slowest: float = 0.0

    def __str__(self):
        lines = [", ".join(f"{name} {n}" for name, n in self.outcomes.most_common())]
        lines.append(f"slowest {self.slowest:.2f} s")
        lines += [f"untyped, {n} times: {where}" for where, n in self.untyped.most_common()]
        lines += [f"slow: {one}" for one in self.slow]
        return "\n".join(lines)


def mount(client, adapter):
    for scheme in ("http://", "https://"):
        client._session.mount(scheme, adapter)


def record(bench, name, client=None):
    """Return the exchanges of a call that goes well, and what was known when it was asked."""
    call = bench.calls[name]
    bench.renew()
    known = copy.copy(bench.known)
    client = client or bench.make(live=True)
    adapter = RecordingAdapter()
    mount(client, adapter)
    if name in bench.wire:
        # As pyvo asks it; it has a session of its own.
        form = {"REQUEST": "doQuery", "LANG": "PSQL", "QUERY": bench.known.adql}
        url = f"{bench.host}/tap/sync"
        client._session.post(url, data=form, headers={"Accept": "*/*"})
        return Recorded(adapter.exchanges, known)
    with quiet():
        consume(call(client, known))
    return Recorded(adapter.exchanges, known)


@contextlib.contextmanager
def quiet():
    with warnings.catch_warnings(), cache_conf.set_temp("cache_active", False):
        warnings.simplefilter("ignore")
        yield


def where(error):
    """Return the kind of an error, and the last lines of the package that it came through."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if "atlasquery/" in f.filename]
    frames = [f for f in frames if "/tests/" not in f.filename] or frames
    place = " < ".join(
        f"{f.filename.rpartition('atlasquery/')[2]}:{f.lineno}" for f in frames[:-4:-1]
    )
    return f"{type(error).__name__} at {place}"


def untyped(error):
    """Return the errors that are none of ours: this one, or those that it reports."""
    if not isinstance(error, TYPED):
        return [error]
    found = []
    for _, reason in getattr(error, "failures", ()):
        if isinstance(reason, BaseException):
            found += untyped(reason)
    return found


def attempt(ask, tally, name, seed):
    """Ask once, and note what became of it."""
    # To format a result takes as long as all else.
    shown = zlib.crc32(seed.encode()) % 10 == 0
    before = time.process_time()
    bad = []
    try:
        result = ask()
        consume(result, shown=shown)
        for _, reason in getattr(result, "failures", None) or ():
            if isinstance(reason, BaseException):
                bad += untyped(reason)
        outcome = "result"
    except Exception as error:
        outcome = type(error).__name__
        bad = untyped(error)
        with contextlib.suppress(AttributeError):
            if error.result is not None:
                try:
                    consume(error.result, shown=shown)
                except Exception as second:
                    bad += untyped(second)
    spent = time.process_time() - before
    tally.slowest = max(tally.slowest, spent)
    if spent > SLOW:
        tally.slow.append(f"{name} {seed}: {spent:.1f} s")
    tally.outcomes[outcome] += 1
    tally.by_call[name] += 1
    for error in bad:
        place = where(error)
        tally.untyped[place] += 1
        tally.examples.setdefault(
            place, (name, seed, "".join(traceback.format_exception(error))[-3000:])
        )


def plan(rng, exchanges):
    """Return a replay with something changed in one answer, or in several."""
    n = rng.randrange(len(exchanges))
    changed = {n: mutated(rng, exchanges[n])}
    if rng.random() < 0.05:
        m = rng.randrange(len(exchanges))
        changed[m] = mutated(rng, exchanges[m])
    return Replay(exchanges, changed, lasting=rng.random() < 0.5)


def fuzz(bench, recorded, count, seed, *, wire=False, tally=None):
    """Ask `count` times, spread over the calls recorded.

    Parameters
    ----------
    bench : Bench
        The service.
    recorded : dict
        By the name of each call its exchanges.
    count : int
        How many calls.
    seed : int
        Seed of all that is chosen.
    wire : bool
        Whether the answers come over loopback.
    """
    tally = tally or Tally()
    server = ReplayServer() if wire else None
    # What has connections of its own is reached at another address only.
    names = sorted(name for name in recorded if wire or name not in bench.wire)
    # What was recorded stays to the end: the collector need not look at it again and again.
    gc.collect()
    gc.freeze()
    try:
        with quiet():
            for n in range(count):
                if n % 100 == 0:
                    # A call that hangs is shown. To start the watch takes a thread each time.
                    faulthandler.dump_traceback_later(600, exit=False)
                name = names[n % len(names)]
                label = f"{seed}:{n}"
                replay = plan(random.Random(label), recorded[name].exchanges)
                client = bench.make()
                if wire:
                    server.replay = replay
                    mount(client, DetourAdapter(server.here))
                else:
                    mount(client, ReplayAdapter(replay))
                ask = functools.partial(bench.calls[name], client, recorded[name].known)
                with contextlib.ExitStack() as stack:
                    if name in bench.wire:
                        there = f"{server.here}/tap"
                        stack.enter_context(client.conf.set_temp("tap_server", there))
                    attempt(ask, tally, f"{bench.name}.{name}", label)
    finally:
        faulthandler.cancel_dump_traceback_later()
        gc.unfreeze()
        if server:
            server.stop()
    return tally
