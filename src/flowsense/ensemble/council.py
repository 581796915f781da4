"""What an answer of several members is made of once it is settled who is heard; no clock is read.

Who was left out of a live answer (`ensemble.panel`) is recorded as CONTROL events before those of
its tape: with them `Replayed` gives the same answers again, to the bit, however the rest is cut.
"""

from collections.abc import Iterable, Sequence
from enum import IntEnum
from itertools import chain
from typing import Any, NamedTuple

import numpy as np

from flowsense.ensemble.code import Code
from flowsense.ensemble.members import Ensemble
from flowsense.ensemble.opinions import AGREEMENT
from flowsense.ensemble.states import joined, part
from flowsense.errors import InputError
from flowsense.forecast import Forecast, Target
from flowsense.model.sides import THIRD
from flowsense.schema import CONTROL, EVENT, Events, Instrument, zeros
from flowsense.tape import Tape

OFF = 1e-4  # probabilities add up to 1 but for this


class Reason(IntEnum):
    """Why a member is left out of an answer."""

    RAISED = 0
    UNSOUND = 1  # what it said is no forecast of these rows
    LATE = 2
    HUNG = 3  # late for so long that it is given up; it is out until restarted
    LOST = 4  # late, and it failed or hung in the end: it never took these rows in


class Absent(NamedTuple):
    member: str
    reason: Reason
    detail: str = ""  # of what it raised; replayed answers have none


class Answer(NamedTuple):
    forecast: Forecast
    absent: tuple[Absent, ...]
    reason: str  # why nothing is said; "" where the quorum was met
    records: Events  # what was decided since the last answer: CONTROL events, for the recording,
    # before the events of the tape
    each: tuple[Forecast | None, ...] = ()  # what members said; None: left out, or not asked


class Unsound(ValueError):
    """What a member said is no forecast."""


class Replayed:
    """The same questions again, and what was decided then before each; no clock is read.

    What a member takes in late it is given when it is heard again: by then it is known what of it
    was lost.
    """

    def __init__(
        self,
        ensemble: Ensemble,
        instruments: tuple[Instrument, ...],
        quorum: int = 0,
        state: Any = None,
    ) -> None:
        self.models, self.instruments = ensemble.members, instruments
        self.council = Council(ensemble, instruments, quorum, state)
        self.states = begun(ensemble, instruments, state)
        self.out = set[int]()  # members that hang
        self.owed = [dict[int, list[Tape]]() for _ in self.models]  # by turn, the oldest first
        self.left_out = dict[int, Reason]()
        self.turn = 0

    def obey(self, records: Events) -> None:
        """What was decided of the tapes that come, until this is called again."""
        self.left_out = {}
        for one in records[records["action"] == CONTROL]:
            code, lots, turn = (int(one[name]) for name in ("price", "lots", "sequence"))
            if code == Code.RESYNC:
                self.states[lots] = self.models[lots].init(self.instruments)
                self.owed[lots].clear()
                self.out.discard(lots)
            elif code == Code.ABSTAIN:
                self._left_out(*divmod(lots, len(Reason)), turn)

    def _left_out(self, k: int, reason: int, turn: int) -> None:
        if k >= len(self.models):
            count = f"member {k} is left out, there are {len(self.models)}"
            raise InputError(f"panel: {count}: give the ensemble that the records are of")
        if reason == Reason.LOST:
            self.owed[k].pop(turn, None)
            return
        self.left_out[k], self.turn = Reason(reason), turn
        if reason == Reason.HUNG:
            self.out.add(k)

    def ask(self, tape: Tape) -> Answer:
        """The answer that was given then."""
        said, missing, quiet = list[Forecast | None](), list[Absent](), rowless(tape)
        for k, model in enumerate(self.models):
            why = self.left_out.get(k, Reason.HUNG if k in self.out else None)
            found, reads = None, not quiet or model.needs.events
            if why is None and reads:
                found = self._said(k, tape)
            elif why == Reason.LATE and reads:
                self.owed[k].setdefault(self.turn, []).append(tape)
            if why is not None:
                missing.append(Absent(self.council.names[k], why))
            said.append(found)
        return self.council.answer(tape, said, tuple(missing))

    def _said(self, k: int, tape: Tape) -> Forecast:
        """Of this tape, after all that it was late with."""
        model = self.models[k]
        for late in chain.from_iterable(self.owed[k].values()):
            self.states[k], _ = model.predict(self.states[k], late)
        self.owed[k].clear()
        self.states[k], found = model.predict(self.states[k], tape)
        return sound(found, len(tape.rows[0].ts), self.council.targets)

    @property
    def state(self) -> Any:
        """That of the ensemble."""
        return joined([*self.states, self.council.state])


class Council:
    """What an answer is made of, once it is settled who is heard. It knows no time."""

    def __init__(
        self,
        ensemble: Ensemble,
        instruments: tuple[Instrument, ...],
        quorum: int,
        state: Any = None,
    ) -> None:
        self.names, self.combiner = ensemble.names, ensemble.combiner
        if not self.names:
            raise InputError("panel: an ensemble without members: name two or more")
        self.targets = ensemble.members[0].targets
        if quorum > len(self.names):
            count = len(self.names)
            raise InputError(f"panel: quorum {quorum} of {count} members: give at most {count}")
        self.quorum = quorum or len(self.names) // 2 + 1
        count = len(self.names)
        self.state = self.combiner.init(instruments, count, self.targets)
        if state is not None:
            self.state = part(state, count)
        self.turn = 0

    def answer(
        self,
        tape: Tape,
        said: Sequence[Forecast | None],
        missing: tuple[Absent, ...],
    ) -> Answer:
        """Without records. The turn is over even where the combiner raises: members went on."""
        self.turn += 1
        if rowless(tape):
            return Answer(silent(self.targets, 0), missing, "", zeros(EVENT))
        n, count = len(tape.rows[0].ts), sum(one is not None for one in said)
        quiet = silent(self.targets, n)
        heard = [quiet if one is None else one for one in said]
        self.state, found = self.combiner.combine(self.state, tape, heard)
        if count >= self.quorum:
            return Answer(found, missing, "", zeros(EVENT), tuple(said))
        aux = dict(found.aux) | {AGREEMENT: np.zeros((n, len(self.targets)), np.float32)}
        why = f"{count} of {len(said)} members answered, {self.quorum} are needed"
        neutral = Forecast(self.targets, quiet.proba, quiet.value, quiet.ready, aux)
        return Answer(neutral, missing, why, zeros(EVENT), tuple(said))


def begun(ensemble: Ensemble, instruments: tuple[Instrument, ...], state: Any) -> list[Any]:
    """The state of each member; None: before the first event."""
    if state is None:
        return [model.init(instruments) for model in ensemble.members]
    return [part(state, k) for k in range(len(ensemble.members))]


def rowless(tape: Tape) -> bool:
    """Nobody is to answer anything; only members that read events have something to do."""
    return not any(len(rows.ts) for rows in tape.rows)


def names(members: Iterable[str]) -> tuple[str, ...]:
    """The table beside the records: what the lots of an ABSTAIN stand for."""
    return tuple(f"{name}: {reason.name.lower()}" for name in members for reason in Reason)


def silent(targets: tuple[Target, ...], n: int) -> Forecast:
    """Of n rows, none of them ready."""
    shape = (n, len(targets))
    proba, value = np.full((*shape, 3), THIRD), np.zeros(shape, np.float32)
    return Forecast(targets, proba, value, np.zeros(shape, np.bool_))


def absent(name: str, error: BaseException) -> Absent:
    reason = Reason.UNSOUND if isinstance(error, Unsound) else Reason.RAISED
    return Absent(name, reason, f"{type(error).__name__}: {error}")


def sound(said: object, n: int, targets: tuple[Target, ...]) -> Forecast:
    """A forecast of n rows and these targets, copied: a late thread cannot change it any more.

    Raises Unsound for anything else.
    """
    if not isinstance(said, Forecast) or said.targets != targets:
        raise Unsound(f"a {type(said).__name__}, or of other targets than were asked for")
    try:
        proba, value = (np.array(x, np.float32) for x in (said.proba, said.value))
        ready = np.array(said.ready, np.bool_)
        aux = {name: np.array(x, np.float32) for name, x in said.aux.items()}
    except (TypeError, ValueError) as error:
        raise Unsound(f"no numbers: {error}") from error
    shape = (n, len(targets))
    if proba.shape != (*shape, 3) or value.shape != shape or ready.shape != shape:
        raise Unsound(f"shapes {proba.shape}, {value.shape} and {ready.shape} of {n} rows")
    if any(x.shape[:1] != (n,) or not np.isfinite(x).all() for x in (value, *aux.values())):
        raise Unsound("a number that is not finite, or none for some row")
    if n and not (proba.min() >= 0 and np.abs(proba.sum(axis=2) - 1).max() <= OFF):  # nor NaN
        raise Unsound("probabilities that are no numbers, below 0, or do not add up to 1")
    return Forecast(targets, proba, value, ready, aux)
