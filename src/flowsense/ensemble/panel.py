"""Members asked under a deadline: those that raise, lie, come late or hang are left out.

The answer is made of those who answered in time, and is neutral below the quorum. Each decision
that the wall clock made is recorded, so that `council.Replayed` repeats the answers without one.
A member that hung and came back begins anew. Members run on threads: one that never lets go of
Python's interpreter lock stops the process, and only a process of its own would help against that.
"""

from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Self, TypeAlias

from flowsense.ensemble.code import Code
from flowsense.ensemble.council import (
    Absent,
    Answer,
    Council,
    Reason,
    absent,
    begun,
    rowless,
    sound,
)
from flowsense.ensemble.members import Ensemble
from flowsense.ensemble.states import joined
from flowsense.errors import InputError
from flowsense.forecast import Forecast, Target
from flowsense.model import Model
from flowsense.schema import CONTROL, EVENT, MILLISECOND, SECOND, Events, Instrument, zeros
from flowsense.tape import Tape
from flowsense.wall import Crew, Lane, Workers

Work: TypeAlias = Future[Forecast]


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
    owed: deque[tuple[int, int, Work]] = field(default_factory=deque)  # turn, since
    stuck: Work | None = None  # it was given up at this, and is out

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
        state: Any = None,
    ) -> None:
        self.instruments, self.rules = instruments, rules or Rules()
        self.council = Council(ensemble, instruments, self.rules.quorum, state)
        states = begun(ensemble, instruments, state)  # members may raise: no thread is there yet
        self.workers: Workers = workers or Crew()  # ended with the panel
        each = zip(ensemble.members, states, strict=True)
        self.seats = [Seat(model, state, self.workers.lane()) for model, state in each]
        self.notes = list[tuple[Code, int, int]]()  # code, lots, turn
        self.ts = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def ask(self, tape: Tape) -> Answer:
        """One forecast for each decision row of this tape, by the deadline."""
        self._return()
        turn, said, missing = self.council.turn, list[Forecast | None](), list[Absent]()
        asked = self._asked(tape, turn)
        for k, seat in enumerate(self.seats):
            one: Forecast | Absent | None = None
            if seat.stuck is not None:
                one = Absent(self.council.names[k], Reason.HUNG)
            elif k in asked:
                one = self._heard(k, turn)
                if isinstance(one, Absent):
                    self._record(turn, k, one.reason)
            if isinstance(one, Absent):
                missing.append(one)
            said.append(None if isinstance(one, Absent) else one)
        answer = self.council.answer(tape, said, tuple(missing))
        return answer._replace(records=self._told(tape))

    def _asked(self, tape: Tape, turn: int) -> set[int]:
        """Who has something to say of this tape; they were waited for."""
        since, quiet, prompt, out = self.workers.now(), rowless(tape), list[Work](), set[int]()
        for k, seat in enumerate(self.seats):
            if seat.stuck is not None or (quiet and not seat.model.needs.events):
                continue
            behind = any(not future.done() for _, _, future in seat.owed)
            work = seat.lane.submit(partial(seat.step, tape, self.council.targets))
            seat.owed.append((turn, since, work))
            out.add(k)
            if not behind:  # who has not caught up is heard if it happens to be done
                prompt.append(work)
        self.workers.wait(prompt, since + self.rules.deadline_ns)
        return out

    @property
    def state(self) -> Any:
        """That of the ensemble, as far as members have come."""
        return joined([*(seat.state for seat in self.seats), self.council.state])

    @property
    def settled(self) -> bool:
        """Whether `state` has taken in all that was asked: nobody owes an answer or is out."""
        return not any(seat.owed or seat.stuck is not None for seat in self.seats)

    def _return(self) -> None:
        """Who has come back from where it hung begins anew."""
        for k, seat in enumerate(self.seats):
            if seat.stuck is not None and seat.stuck.done():
                self._anew(k)

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
        if seat.stuck is None:
            seat.stuck = seat.owed[0][2] if seat.owed else Future()
        seat.owed.clear()

    def restart(self, name: str) -> None:
        """The member begins anew, on a lane of its own, with the state before the first event."""
        if name not in self.council.names:
            raise InputError(f"panel: no member {name!r}: it has {', '.join(self.council.names)}")
        self._anew(self.council.names.index(name))

    def _anew(self, k: int) -> None:
        model = self.seats[k].model
        state = model.init(self.instruments)
        self._give_up(k, self.council.turn)
        self.seats[k] = Seat(model, state, self.workers.lane())
        self._write(Code.RESYNC, k, self.council.turn)

    def close(self) -> Events:
        """Ends all lanes; the last records. What is owed then counts as lost."""
        for k in range(len(self.seats)):
            self._give_up(k, self.council.turn)
        self.workers.close()
        return self._told(None)

    def _record(self, turn: int, k: int, reason: Reason) -> None:
        self._write(Code.ABSTAIN, k * len(Reason) + reason, turn)

    def _write(self, code: Code, lots: int, turn: int) -> None:
        self.notes.append((code, lots, turn))

    def _told(self, tape: Tape | None) -> Events:
        """As of the first event of the tape, which they come before."""
        ts, n = self.ts, 0
        if tape is not None:
            n, self.ts = len(tape.events), latest(tape, self.ts)
            ts = int(tape.events["ts_recv"][0]) if n else self.ts
        out = zeros(EVENT, len(self.notes))
        if len(out):
            out["ts_event"] = out["ts_recv"] = ts
            out["action"], out["order_id"] = CONTROL, n
            out["price"], out["lots"], out["sequence"] = zip(*self.notes, strict=True)
            self.notes.clear()
        return out


def latest(tape: Tape, before: int) -> int:
    """The time of the last record or row."""
    events, rows = tape.events["ts_recv"][-1:], tape.rows[0].ts[-1:]
    return max(before, int(events.max(initial=0)), int(rows.max(initial=0)))
