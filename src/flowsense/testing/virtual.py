"""Time that passes only when it is waited for, so that what waits is tested at once and exactly."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from heapq import heappop, heappush
from typing import Any, TypeVar

from flowsense.schema import NEVER
from flowsense.wall import Lane, answer

T = TypeVar("T")


class Virtual:
    """`wall.Workers` without threads: work takes as long as it sleeps, and is begun when given.

    What a lane finishes is known to who waits only when that time has come.
    """

    def __init__(self) -> None:
        self.time, self.order = 0, 0
        self.ends: list[tuple[int, int, Future[Any], Future[Any]]] = []
        self.inside: int | None = None  # the time in the lane that works

    def now(self) -> int:
        return self.time if self.inside is None else self.inside

    def sleep(self, ns: int) -> None:
        """NEVER hangs."""
        if self.inside is None:
            self.wait([Future()], self.time + ns)
        else:
            self.inside = min(self.inside + ns, NEVER)

    def lane(self) -> Lane:
        return VirtualLane(self)

    def wait(self, work: Sequence[Future[Any]], until: int) -> None:
        while self.ends and self.ends[0][0] <= until and not all(f.done() for f in work):
            self.time, _, future, done = heappop(self.ends)
            if future.set_running_or_notify_cancel():
                answer_as(done, future)
        if not all(f.done() for f in work):
            self.time = max(self.time, until)

    def close(self) -> None: ...

    def work(self, begin: int, work: Callable[[], T], future: Future[T]) -> int:
        """When it is done."""
        done: Future[T] = Future()
        self.inside = begin
        answer(done, work)
        end, self.inside, self.order = self.inside, None, self.order + 1
        if end < NEVER:
            heappush(self.ends, (end, self.order, future, done))
        return end


class VirtualLane:
    def __init__(self, clock: Virtual) -> None:
        self.clock, self.free = clock, 0
        self.waiting: list[tuple[int, Future[Any]]] = []  # when each begins

    def submit(self, work: Callable[[], T]) -> Future[T]:
        future: Future[T] = Future()
        begin = max(self.free, self.clock.now())
        self.waiting.append((begin, future))
        if begin < NEVER:
            self.free = self.clock.work(begin, work, future)
        return future

    def close(self) -> None:
        for begin, future in self.waiting:
            if begin > self.clock.now():
                future.cancel()


def answer_as(done: Future[T], future: Future[T]) -> None:
    """Tell the one what the other knows."""
    error = done.exception()
    if error is None:
        future.set_result(done.result())
    else:
        future.set_exception(error)
