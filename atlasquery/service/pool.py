"""Run many requests in threads: a limited number, in order, interrupted by Ctrl-C."""

import contextvars
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any

from astropy.utils.console import ProgressBar

from atlasquery.exceptions import LoginError, QuotaError

__all__ = ["in_background", "in_notebook", "progress_bar", "run_all", "start_thread"]

# Fewer requests than this end before a progress bar is useful.
WORTH_A_BAR = 20
# Seconds between two updates of the progress bar.
BETWEEN_UPDATES = 0.1


def run_all(
    work: Callable,
    tasks: Sequence,
    *,
    concurrency: int,
    interrupt: Callable = lambda: None,
    progress: bool = True,
) -> list[Any]:
    """Apply `work` to each task, a few at the same time.

    Parameters
    ----------
    work : callable
        Takes one task.
    tasks : sequence
        The tasks.
    concurrency : int
        Number of tasks that run at the same time.
    interrupt : callable, optional
        Called when the job is interrupted, to wake work that waits.
    progress : bool, optional
        Whether to show a progress bar, for long jobs on a terminal or in a notebook.

    Returns
    -------
    list
        For each task, in order, what `work` returned or the exception it
        raised. After a refused login or a used-up quota no further request is
        sent, and the tasks that were not started get that exception.
    """
    if len(tasks) == 1 or concurrency <= 1:
        return _one_by_one(work, tasks, progress)
    job = _Job(work, tasks)
    # After Ctrl-C, running requests are not awaited, which may take minutes.
    with progress_bar(len(tasks), shown=progress and len(tasks) >= WORTH_A_BAR) as bar:
        try:
            job.begin(min(concurrency, len(tasks)))
            while not job.over.wait(BETWEEN_UPDATES):
                bar.update(job.done)
            bar.update(job.done)
        except BaseException:
            job.stop()
            interrupt()
            raise
    return job.results


class _Job:
    """Tasks that a few threads process one after the other.

    A thread for each task would take longer than reading a short response.
    """

    def __init__(self, work: Callable, tasks: Sequence):
        self._work = work
        self._tasks = enumerate(tasks)
        self._lock = threading.Lock()
        self._busy = 0
        self.results: list = [None] * len(tasks)
        #: Number of tasks that have ended.
        self.done = 0
        #: Set when no task is running and none will be started.
        self.over = threading.Event()

    def begin(self, threads: int) -> None:
        """Start some daemon threads, which do not delay the end of the interpreter."""
        self._busy = threads
        if not threads:
            self.over.set()
        for _ in range(threads):
            start_thread(self._run)

    def stop(self, outcome: BaseException | None = None) -> None:
        """Start no further task; give each of them this outcome."""
        with self._lock:
            for index, _ in self._tasks:
                self.results[index] = outcome

    def _run(self) -> None:
        while True:
            with self._lock:
                index, task = next(self._tasks, (None, None))
                if index is None:
                    self._busy -= 1
                    break
            outcome, fatal = _outcome(self._work, task)
            self.results[index] = outcome
            with self._lock:
                self.done += 1
            if fatal:
                self.stop(outcome)
        if not self._busy:
            self.over.set()


def _outcome(work: Callable, task: object) -> tuple[Any, bool]:
    """Return the result or exception of a task, and whether to start no further one."""
    try:
        return work(task), False
    except BaseException as error:
        return error, isinstance(error, (LoginError, QuotaError))


def _one_by_one(work: Callable, tasks: Sequence, progress: bool) -> list:
    results = []
    with progress_bar(len(tasks), shown=progress and len(tasks) >= WORTH_A_BAR) as bar:
        for task in tasks:
            try:
                results.append(work(task))
            except (LoginError, QuotaError) as error:
                return results + [error] * (len(tasks) - len(results))
            except Exception as error:
                results.append(error)
            bar.update()
    return results


def in_background(work: Callable, *args: Any) -> Future:
    """Start some work in a daemon thread.

    A request may wait an hour for the quota; the threads of
    `~concurrent.futures.ThreadPoolExecutor` would delay the end of the interpreter.

    Parameters
    ----------
    work : callable
        The function to call.
    *args
        Its arguments.

    Returns
    -------
    `~concurrent.futures.Future`
        Its result or exception.
    """
    future: Future = Future()

    def run() -> None:
        try:
            future.set_result(work(*args))
        except BaseException as error:
            future.set_exception(error)

    start_thread(run)
    return future


def start_thread(work: Callable) -> None:
    """Start a daemon thread that has the time limit and collects the warnings of this one.

    Parameters
    ----------
    work : callable
        The function to call, without arguments.
    """
    # Each thread needs another copy: a context cannot be entered twice at the same time.
    context = contextvars.copy_context()
    name = f"atlasquery {getattr(work, '__name__', 'work')}"
    threading.Thread(target=context.run, args=(work,), name=name, daemon=True).start()


class _NoBar:
    def __enter__(self) -> "_NoBar":
        return self

    def __exit__(self, *error: object) -> None:
        return None

    def update(self, value: int | None = None) -> None:
        """Show nothing."""


class _NotebookBar:
    """A progress bar in the output of a cell, which needs no widgets."""

    # Updating a page more often makes it slow.
    SECONDS = 0.2

    def __init__(self, total: int):
        from IPython.display import HTML, display

        self._html, self._display = HTML, display
        self._total, self._done = total, 0
        self._began = self._shown = time.monotonic()
        self._handle: Any = None

    def __enter__(self) -> "_NotebookBar":
        self._handle = self._display(self._html(self._text()), display_id=True)
        return self

    def __exit__(self, *error: object) -> None:
        if self._handle is not None:
            self._handle.update(self._html(self._text()))

    def update(self, value: int | None = None) -> None:
        """Show the progress."""
        self._done = self._done + 1 if value is None else value
        if self._handle is not None and time.monotonic() - self._shown >= self.SECONDS:
            self._shown = time.monotonic()
            self._handle.update(self._html(self._text()))

    def _text(self) -> str:
        took = time.monotonic() - self._began
        left = took / self._done * (self._total - self._done) if self._done else 0.0
        words = f"{self._done} of {self._total}, {took:.0f} s"
        words += f", {left:.0f} s left" if 0 < self._done < self._total else ""
        return f'<progress value="{self._done}" max="{self._total}"></progress> {words}'


def in_notebook() -> bool:
    """Return whether output is shown in a notebook.

    Returns
    -------
    bool
        True in a kernel of Jupyter.
    """
    # Only if it is loaded: importing it for this question would be slow.
    module = sys.modules.get("IPython")
    shell = module.get_ipython() if module is not None else None
    return getattr(shell, "kernel", None) is not None


def progress_bar(total: int, *, shown: bool) -> "ProgressBar | _NotebookBar | _NoBar":
    """Return a progress bar for a terminal or a notebook; elsewhere one that shows nothing.

    Parameters
    ----------
    total : int
        Number of steps.
    shown : bool
        Whether to show a bar.

    Returns
    -------
    bar
        A context manager with the ``update`` method of
        `~astropy.utils.console.ProgressBar`.
    """
    if not shown:
        return _NoBar()
    if in_notebook():
        return _NotebookBar(total)
    return ProgressBar(total) if sys.stdout is not None and sys.stdout.isatty() else _NoBar()
