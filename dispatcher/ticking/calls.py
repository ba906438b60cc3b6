"""Provider calls of one tick: concurrent, paced by the provider's published rates, and never begun after the deadline."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from queue import SimpleQueue
from threading import Event, Lock
from typing import Generic, TypeAlias, TypeVar

from dispatcher.environment.clock import Clock
from providers.base import Rate

Item = TypeVar("Item")
Result = TypeVar("Result")
Answer = TypeVar("Answer")
Answers: TypeAlias = Sequence[tuple[Item, Result | None]]
"""Items with their results; None for an item that was not reached."""

GATHERED = 0.02
"""Seconds for which a result waits for others, while calls are still under way. To record each alone takes as much CPU as its
call, and threads wait for it."""


class Pace:
    """Token buckets, all of which every call draws on; they start full."""

    def __init__(self, rates: Sequence[Rate], now: datetime) -> None:
        self._rates = tuple(rates)
        self._tokens = [float(rate.burst) for rate in rates]
        self._at = now

    def wait(self, now: datetime) -> float:
        """Seconds before another call may be made."""
        return self._wait_with(self._filled(now))

    def take(self, now: datetime) -> float:
        """Draw one call and return the seconds to wait before it may be made."""
        filled = self._filled(now)
        self._tokens = [tokens - 1.0 for tokens in filled]
        self._at = max(now, self._at)
        return self._wait_with(filled)

    def _wait_with(self, tokens: Sequence[float]) -> float:
        return max([0.0, *((1.0 - left) / rate.per_second for left, rate in zip(tokens, self._rates, strict=True))])

    def _filled(self, now: datetime) -> list[float]:
        passed = max(0.0, (now - self._at).total_seconds())
        filled = zip(self._tokens, self._rates, strict=True)
        return [min(float(rate.burst), tokens + passed * rate.per_second) for tokens, rate in filled]

    def recovery(self, now: datetime) -> float:
        """Seconds until every bucket is full again."""
        passed = max(0.0, (now - self._at).total_seconds())
        missing = [(rate.burst - self._tokens[index]) / rate.per_second - passed for index, rate in enumerate(self._rates)]
        return max([0.0, *missing])


class Calls(Generic[Item, Result]):
    """Make one call for each item; items that were not reached come back with None.

    The clock is asked right before each call, in the thread that makes it. With `threads=1` the calls are made in the
    caller's own thread, one at a time. `function` must not raise: a failure is one of its answers. Once `is_stopped` is true,
    no further call begins; those under way end, and their answers come.
    """

    def __init__(
        self,
        function: Callable[[Item], Result],
        *,
        threads: int,
        clock: Clock,
        deadline: datetime,
        pace: Pace,
        is_stopped: Callable[[], bool] = lambda: False,
        gathers: float = GATHERED,
    ) -> None:
        self._function = function
        self._threads = threads
        self._clock = clock
        self._deadline = deadline
        self._pace = pace
        self._is_stopped, self._gathers = is_stopped, gathers
        self._line: deque[Item] = deque()
        self._lock = Lock()
        self._stopped = False
        self.outpaced = False
        """True if the pace allowed no further call before the deadline."""

    def stop(self) -> None:
        """Begin no further call."""
        self._stopped = True

    @property
    def runs_short(self) -> bool:
        """True if fewer items wait in line than there are threads: time to `add` more."""
        return not self._stopped and len(self._line) < self._threads

    def add(self, items: Sequence[Item]) -> None:
        """Put more items in line, between two results of `run`."""
        self._line.extend(items)

    def withdraw(self, condition: Callable[[Item], bool]) -> Sequence[Item]:
        """Remove items that meet a condition and have not begun from the line, between two results of `run`."""
        with self._lock:
            judged = [(item, condition(item)) for item in self._line]
            self._line = deque(item for item, goes in judged if not goes)
        return [item for item, goes in judged if goes]

    def run(self, items: Sequence[Item]) -> Iterator[Answers[Item, Result]]:
        """Make the calls; yields the items with their results as they arrive, in groups of those that arrived together.

        Items that were not reached come last. Threads continue with their calls while the caller handles results.
        """
        self.add(items)
        with ThreadPoolExecutor(self._threads, thread_name_prefix="dispatcher") as executor:  # starts no idle thread
            while self._line and not self._stopped:
                threads = min(self._threads, len(self._line))
                yield from self._run_in_threads(executor, threads) if threads > 1 else self._run_here()
        if self._line:
            yield [(item, None) for item in self._line]

    def _run_here(self) -> Iterator[Answers[Item, Result]]:
        for item in self._turns():
            yield [(item, self._call(item))]

    def _run_in_threads(self, executor: ThreadPoolExecutor, threads: int) -> Iterator[Answers[Item, Result]]:
        answers: SimpleQueue[tuple[Item, Result | None] | None] = SimpleQueue()

        def work() -> None:
            for item in self._turns():
                answers.put((item, self._call(item)))

        try:
            yield from _in_groups(answers, [executor.submit(work) for _ in range(threads)], self._gathers)
        except BaseException:
            self.stop()  # the caller gives up, so all calls stop
            raise

    def _turns(self) -> Iterator[Item]:
        """The items in turn, at the allowed pace, until none is left, the calls are stopped, or the deadline is reached."""
        while (turn := self._take()) is not None:
            item, delay = turn
            self._clock.sleep(delay)
            yield item

    def _take(self) -> tuple[Item, float] | None:
        with self._lock:
            self._stopped = self._stopped or self._is_stopped()
            if self._stopped or not self._line:
                return None
            now = self._clock.now()
            delay = self._pace.wait(now)
            if now.timestamp() + delay > self._deadline.timestamp():
                self._stopped = True
                self.outpaced = delay > 0
                return None
            return self._line.popleft(), self._pace.take(now)

    def _call(self, item: Item) -> Result | None:
        is_late = self._stopped or self._is_stopped() or self._clock.now() > self._deadline
        return None if is_late else self._function(item)


def _in_groups(answers: SimpleQueue[Answer | None], workers: Sequence[Future[None]], gathers: float) -> Iterator[list[Answer]]:
    """The results in the groups in which they arrive, until every worker is done. Raises what a worker raised.

    A result waits so many seconds for others; nobody waits when all workers are done.
    """
    all_done, left = Event(), len(workers)

    def done(_: Future[None]) -> None:
        answers.put(None)
        if all(worker.done() for worker in workers):
            all_done.set()

    for worker in workers:
        worker.add_done_callback(done)
    while left:
        came = [answers.get()]
        all_done.wait(gathers)
        while not answers.empty():  # nothing else takes from this queue
            came.append(answers.get())
        left -= came.count(None)
        if group := [answer for answer in came if answer is not None]:
            yield group
    for worker in workers:
        worker.result()
