"""Members asked under a deadline: those that raise, lie, come late or hang are left out.

The answer is made of those who answered in time, and is neutral below the quorum. Each decision
that the wall clock made is recorded, so that `council.Replayed` repeats the answers without one.
Members run on threads: one that never lets go of Python's interpreter lock stops the process, and
only a process of its own would help against that.
"""

from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Self

import numpy as np

from flowsense.ensemble.council import Absent, Answer, Code, Council, Reason, absent, sound
from flowsense.ensemble.members import Ensemble
from flowsense.errors import InputError
from flowsense.forecast import Forecast, Target
from flowsense.model import Model
from flowsense.schema import CONTROL, EVENT, MILLISECOND, SECOND, Events, Instrument, zeros
from flowsense.tape import Tape
from flowsense.wall import Lane, Threads, Workers


@dataclass(frozen=True, slots=True)
class Rules:
    deadline_ns: int = 10 * MILLISECOND  # from the question to the last answer that is waited for
    hang_ns: int = SECOND  # a member that owes an answer for so long is given up
    quorum: int = 0  # members that have to answer; 0: more than half

    def __post_init__(self) -> None:
        if not 0 < self.deadline_ns <= self.hang_ns or self.quorum < 0:
            raise InputError(
                f"panel: deadline {self.deadline_ns} ns, hang {self.hang_ns} ns, quorum "
                f"{self.quorum}: give 0 < deadline <= hang, and a quorum of 0 or more"
            )


@dataclass(eq=False)
class Seat:
    """A member in service; one that begins anew gets another seat, and its thread keeps this one.

    `state` is written by the lane alone.
    """

    model: Model[Any]
    state: Any
    lane: Lane
    owed: deque[tuple[int, int, "Future[Forecast]"]] = field(default_factory=deque)  # turn, since
    out: bool = False

    def step(self, tape: Tape, targets: tuple[Target, ...]) -> Forecast:
        state, said = self.model.predict(self.state, tape)
        checked = sound(said, len(tape.rows[0].ts), targets)
        self.state = state
        return checked


class Panel:
    """The members of an ensemble on lanes of their own. Ask from one thread.

    ``with Panel(...) as panel:`` ends the lanes; `close` is for who wants the last records. A
    combiner that raises costs one answer: its turn is over, its state as before.
    """

    def __init__(
        self,
        ensemble: Ensemble,
        instruments: tuple[Instrument, ...],
        rules: Rules | None = None,
        workers: Workers | None = None,
    ) -> None:
        self.instruments, self.rules = instruments, rules or Rules()
        self.workers: Workers = workers or Threads()
        self.council = Council(ensemble, instruments, self.rules.quorum)
        states = [model.init(instruments) for model in ensemble.members]  # they may raise: no lane
        each = zip(ensemble.members, states, strict=True)  # is begun before all of them are there
        self.seats = [Seat(model, state, self.workers.lane()) for model, state in each]
        self.records, self.ts = list[np.void](), 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def ask(self, tape: Tape) -> Answer:
        """One forecast for each decision row of this tape, by the deadline."""
        turn, since = self.council.turn, self.workers.now()
        self.ts = latest(tape, self.ts)
        prompt = list[Future[Forecast]]()
        for seat in self.seats:
            if seat.out:
                continue
            behind = any(not future.done() for _, _, future in seat.owed)
            asked = seat.lane.submit(partial(seat.step, tape, self.council.targets))
            seat.owed.append((turn, since, asked))
            if not behind:  # who has not caught up is heard if it happens to be done
                prompt.append(asked)
        self.workers.wait(prompt, since + self.rules.deadline_ns)
        found = [self._heard(k, turn) for k in range(len(self.seats))]
        missing = {k: one for k, one in enumerate(found) if isinstance(one, Absent)}
        for k, one in missing.items():
            self._record(turn, k, one.reason)
        said = [None if isinstance(one, Absent) else one for one in found]
        answer = self.council.answer(tape, said, tuple(missing.values()))
        return answer._replace(records=self._told())

    def _heard(self, k: int, turn: int) -> Forecast | Absent:
        """What member k says in this turn; earlier answers that it owed are taken off."""
        seat, name = self.seats[k], self.council.names[k]
        while seat.owed and seat.owed[0][2].done():
            asked, _, future = seat.owed.popleft()
            error = future.exception()
            if asked == turn:
                return future.result() if error is None else absent(name, error)
            if error is not None:
                self._record(asked, k, Reason.LOST)
        if seat.out:
            return Absent(name, Reason.HUNG)
        if self.workers.now() - seat.owed[0][1] < self.rules.hang_ns:
            return Absent(name, Reason.LATE)
        self._give_up(k, turn)
        return Absent(name, Reason.HUNG)

    def _give_up(self, k: int, turn: int) -> None:
        """What it still owes it never answers."""
        seat = self.seats[k]
        seat.lane.close()
        for asked, _, _ in seat.owed:
            if asked != turn:
                self._record(asked, k, Reason.LOST)
        seat.owed.clear()
        seat.out = True

    def restart(self, name: str) -> None:
        """The member begins anew, on a lane of its own, with the state before the first event."""
        if name not in self.council.names:
            raise InputError(f"panel: no member {name!r}: it has {', '.join(self.council.names)}")
        k = self.council.names.index(name)
        model = self.seats[k].model
        state = model.init(self.instruments)
        self._give_up(k, self.council.turn)
        self.seats[k] = Seat(model, state, self.workers.lane())
        self._write(Code.RESYNC, k, self.council.turn)

    def close(self) -> Events:
        """Ends all lanes; the last records. What is owed then counts as lost."""
        for k in range(len(self.seats)):
            self._give_up(k, self.council.turn)
        return self._told()

    def _record(self, turn: int, k: int, reason: Reason) -> None:
        self._write(Code.ABSTAIN, k * len(Reason) + reason, turn)

    def _write(self, code: Code, lots: int, turn: int) -> None:
        one = zeros(EVENT, 1)
        one["ts_event"], one["ts_recv"], one["action"] = self.ts, self.ts, CONTROL
        one["price"], one["lots"], one["sequence"] = code, lots, turn
        self.records.append(one[0])

    def _told(self) -> Events:
        out = zeros(EVENT, len(self.records))
        for i, one in enumerate(self.records):
            out[i] = one
        self.records.clear()
        return out


def latest(tape: Tape, before: int) -> int:
    """The time of the last record or row."""
    events, rows = tape.events["ts_recv"][-1:], tape.rows[0].ts[-1:]
    return max(before, int(events.max(initial=0)), int(rows.max(initial=0)))
