"""Calls of a client from several processes, threads and tasks, with what went wrong counted."""

import asyncio
import multiprocessing
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor

__all__ = ["calls", "in_processes", "in_tasks", "in_threads"]

# A child that hangs is a failure, and no reason to wait for hours.
PATIENCE = 120


def calls(client, ask, first, count):
    """Return how many answers were wrong, and the errors, of so many calls."""
    wrong, errors = 0, []
    for k in range(first, first + count):
        try:
            found, expected = ask(client, k)
            wrong += found != expected
        except Exception as error:
            errors.append(f"{type(error).__name__}: {error}")
    return wrong, errors


def _child(client, ask, first, count, outcomes):
    outcomes.put(calls(client, ask, first, count))


def in_processes(method, client, ask, *, children=4, count=100, meanwhile=lambda: None):
    """Call from children and the parent at once; return the outcome of each."""
    context = multiprocessing.get_context(method)
    outcomes = context.Queue()
    with warnings.catch_warnings():
        # Python 3.12 warns of forks in a process with threads, which the test server is.
        warnings.simplefilter("ignore", DeprecationWarning)
        begun = []
        for n in range(children):
            args = (client, ask, 7 * n, count, outcomes)
            begun.append(context.Process(target=_child, args=args, daemon=True))
            begun[-1].start()
            meanwhile()
    found = [calls(client, ask, 3, count)]
    try:
        found += [outcomes.get(timeout=PATIENCE) for _ in begun]
        for process in begun:
            process.join(PATIENCE)
        assert [process.exitcode for process in begun] == [0] * children
    finally:
        for process in begun:
            process.kill()
    return found


def in_threads(client, ask, *, threads=16, count=100):
    """Call from threads that begin together; return the outcome of each."""
    together = threading.Barrier(threads)

    def work(n):
        together.wait(PATIENCE)
        return calls(client, ask, 7 * n, count // threads + 1)

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(work, range(threads)))


def in_tasks(client, ask, *, count=100):
    """Call from tasks of asyncio, each in a thread of its own; return the outcome of each."""

    async def all_of_them():
        tasks = [asyncio.to_thread(calls, client, ask, k, 1) for k in range(count)]
        return await asyncio.gather(*tasks)

    return asyncio.run(all_of_them())
