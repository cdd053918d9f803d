"""Ask several services at once, each in its time limit, so that none waits for another."""

import queue
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import astropy.units as u

from atlasquery.exceptions import InvalidQueryError, NoResultsWarning, TimeoutError
from atlasquery.service import ServiceQuery
from atlasquery.service.clock import Clock, OutOfTimeError, TimeLimit
from atlasquery.service.deadline import Activity, watched_activity
from atlasquery.service.pool import start_thread
from atlasquery.service.probe import responds
from atlasquery.warn import collected_warnings, warn

__all__ = ["LIMIT", "Question", "ServiceAnswer", "ask_all", "check_seconds", "repeat_warnings"]

#: Seconds that each service has if no time limit is given.
LIMIT = 60.0
# Seconds between two looks at the services that have not answered yet.
BETWEEN_LOOKS = 0.02
# Seconds without a byte after which it is checked whether a server responds at all.
SILENT = 0.15
# Seconds for that check after all others have answered; in connections for a server far away.
PATIENCE, CONNECTIONS, MOST_PATIENCE = 0.6, 10, 5.0
# A thread ends at its limit by itself; the wait for it ends so much later.
SLACK = 0.5


@dataclass(frozen=True)
class Question:
    """What one service is asked.

    Parameters
    ----------
    service : str
        The name of the service in results.
    title : str
        Its name in messages.
    work : callable
        Asks it, and returns what it found.
    client : ServiceQuery, optional
        Client that sends the requests; None for what has no client.
    address : str, optional
        The server that it asks; empty if that is not known.
    limit : float, optional
        Seconds that it has if the caller sets no time limit.
    """

    service: str
    title: str
    work: Callable[[], Any]
    client: ServiceQuery | None = None
    address: str = ""
    limit: float = LIMIT


@dataclass
class ServiceAnswer:
    """The outcome of a question.

    Parameters
    ----------
    question : Question
        The question.
    value : object
        What its work returned; None if it failed.
    error : Exception, optional
        Why it failed.
    warnings : list of tuple
        Message and class of each warning.
    seconds : float
        How long it took.
    """

    question: Question
    value: Any = None
    error: Exception | None = None
    warnings: list[tuple[str, type[Warning]]] = field(default_factory=list)
    seconds: float = 0.0


def check_seconds(timeout: u.Quantity | float | str | None) -> float | None:
    """Return a time limit in seconds, or refuse it.

    Parameters
    ----------
    timeout : `~astropy.units.Quantity`, float, str or None
        The limit; a bare number is in seconds, None is no limit.

    Returns
    -------
    float or None
        Seconds, above 0.
    """
    if timeout is None:
        return None
    try:
        if isinstance(timeout, bool):
            raise TypeError
        value = u.Quantity(timeout)
        seconds = value.to_value(u.s) if value.unit != u.one else value.value
        number = float(seconds)
    except (TypeError, ValueError, u.UnitsError) as error:
        raise _bad_timeout(timeout) from error
    if not 0 < number < float("inf"):
        raise _bad_timeout(timeout)
    return number


def _bad_timeout(timeout: object) -> InvalidQueryError:
    return InvalidQueryError(
        f"timeout={timeout!r:.80} should be one time above 0, such as 30 * u.s; a bare number is "
        "in seconds"
    )


def ask_all(questions: Sequence[Question], *, timeout: float | None = None) -> list[ServiceAnswer]:
    """Ask all at the same time, and wait for each no longer than its time limit.

    Parameters
    ----------
    questions : sequence of Question
        The questions.
    timeout : float, optional
        Seconds for each of them; by default its `Question.limit`. Once any has answered and
        none is at work any more, the rest is given up within a second: servers that
        have sent nothing at all, not even for a request of their front page, and those that
        have only failed so far, whose requests would be repeated.

    Returns
    -------
    list of ServiceAnswer
        In the order of the questions, each with a value or an error.
    """
    finished: queue.SimpleQueue[_Running] = queue.SimpleQueue()
    running = [_Running(question, timeout, finished) for question in questions]
    waiting = set(running)
    any_good, latest = False, time.monotonic()
    try:
        for one in running:
            start_thread(one.run)
        while waiting:
            try:
                ended = finished.get(timeout=BETWEEN_LOOKS)
            except queue.Empty:
                pass
            else:
                waiting.discard(ended)
                if ended.answer.error is None:
                    any_good, latest = True, time.monotonic()
            for one in [one for one in waiting if one.is_late()]:
                one.give_up(one.too_late())
                waiting.discard(one)
            for one in waiting:
                one.check_silence()
            if any_good and all(one.is_hopeless(latest) for one in waiting):
                for one in waiting:
                    one.give_up(one.failure() or one.unheard())
                waiting.clear()
    except BaseException:
        # After Ctrl-C, threads that wait for a quota should not send their requests later.
        for one in running:
            if one.question.client is not None:
                one.question.client._clock.interrupt()
        raise
    return [one.outcome for one in running]


def repeat_warnings(answers: Sequence[ServiceAnswer]) -> None:
    """Issue the warnings of services, but not that they have nothing.

    Parameters
    ----------
    answers : sequence of ServiceAnswer
        The answers, with the warnings that were collected.
    """
    seen = set()
    for answer in answers:
        for message, category in answer.warnings:
            if category is not NoResultsWarning and (message, category) not in seen:
                seen.add((message, category))
                warn(f"{answer.question.title}: {message}", category)


class _Running:
    """A question while it is asked in a thread."""

    def __init__(
        self, question: Question, timeout: float | None, finished: "queue.SimpleQueue[_Running]"
    ):
        self.question = question
        self.limit = question.limit if timeout is None else timeout
        self.answer = ServiceAnswer(question)
        self._finished = finished
        self._started = time.monotonic()
        self._clock = Clock() if question.client is None else question.client._clock
        self._activity: Activity | None = None
        self._time_limit: TimeLimit | None = None
        self._probed: float | None = None
        self._responds = False
        self._given_up: ServiceAnswer | None = None

    @property
    def outcome(self) -> ServiceAnswer:
        """The answer, or why it was given up: then what arrives later is ignored."""
        return self._given_up or self.answer

    def run(self) -> None:
        """Ask, in this thread."""
        answer = self.answer
        with (
            self._clock.until(self._clock.now() + self.limit) as self._time_limit,
            watched_activity() as self._activity,
            collected_warnings() as answer.warnings,
        ):
            try:
                answer.value = self.question.work()
            except OutOfTimeError:
                answer.error = self.too_late()
            except Exception as error:
                answer.error = error
            except BaseException as error:
                answer.error = RuntimeError(f"{type(error).__name__}: {error}")
        answer.seconds = time.monotonic() - self._started
        self._finished.put(self)

    def is_late(self) -> bool:
        """Return whether its thread should have ended at its limit, but has not."""
        # A clock of tests may jump: then the limit is not of real seconds.
        return type(self._clock) is Clock and self._age() > self.limit + SLACK

    def check_silence(self) -> None:
        """Check whether its server responds at all, once it has been silent for a while."""
        activity, question = self._activity, self.question
        if self._probed is not None or activity is None or self._age() <= SILENT:
            return
        if not activity.heard and question.address:
            self._probed = time.monotonic()
            start_thread(self._probe)

    def _probe(self) -> None:
        client = self.question.client
        if client is not None:
            self._responds = responds(client._session, self.question.address, self.limit)

    def is_hopeless(self, latest: float) -> bool:
        """Return whether its server has sent nothing useful long after the last good answer."""
        activity = self._activity
        if activity is None:
            return False
        if self.failure() is not None:
            return time.monotonic() - latest > PATIENCE
        if self._probed is None or activity.heard or self._responds:
            return False
        # A connection to the other end of the world takes a third of a second.
        patience = max(PATIENCE, min(CONNECTIONS * (activity.connecting or 0.0), MOST_PATIENCE))
        return time.monotonic() - max(latest, self._probed) > patience

    def failure(self) -> Exception | None:
        """Return why its request is repeated, if none has succeeded so far."""
        activity = self._activity
        return None if activity is None or activity.succeeded else activity.failure

    def give_up(self, error: Exception) -> None:
        """Stop waiting for it: it sends no further request, and its daemon thread ends."""
        if self._time_limit is not None:
            self._time_limit.stop()
        self._given_up = ServiceAnswer(self.question, error=error, seconds=self._age())

    def too_late(self) -> TimeoutError:
        """Return the error of a service that did not finish in its time limit."""
        return TimeoutError(
            f"{self.question.title} did not finish within {self.limit:g} s (timeout). Set "
            "timeout to a longer time, or ask for less at once.",
            service=self.question.title,
        )

    def unheard(self) -> TimeoutError:
        """Return the error of a service that shows no sign of life."""
        address = self.question.address
        return TimeoutError(
            f"{self.question.title} at {address} has sent nothing for {self._age():.1f} s, not "
            "even its front page, and all others have answered. Ask it alone to wait for it.",
            service=self.question.title,
            url=address,
        )

    def _age(self) -> float:
        return time.monotonic() - self._started
