"""What an answer of several members is made of once it is settled who is heard; no clock is read.

Who was left out of a live answer (`ensemble.panel`) is recorded as CONTROL events: with them
`Replayed` gives the same answers again, to the bit.
"""

from collections.abc import Iterable, Sequence
from enum import IntEnum
from typing import NamedTuple

import numpy as np

from flowsense.ensemble.members import Ensemble
from flowsense.ensemble.opinions import AGREEMENT
from flowsense.errors import InputError
from flowsense.forecast import Forecast, Target
from flowsense.model.sides import THIRD
from flowsense.schema import CONTROL, EVENT, Events, Instrument, zeros
from flowsense.tape import Tape

OFF = 1e-4  # probabilities add up to 1 but for this


class Code(IntEnum):
    """What a CONTROL event is about; its price."""

    ABSTAIN = 1  # lots: the place in `names`; sequence: the turn
    SWAP = 2  # another model answers from here on; lots: its place in the table of models
    STALE = 3  # lots: 1 the instrument's feed is silent for too long, 0 it speaks again
    RESYNC = 4  # a member begins anew; lots: its number; sequence: the first turn


class Reason(IntEnum):
    """Why a member is left out of an answer."""

    RAISED = 0
    UNSOUND = 1  # what it said is no forecast of these rows
    LATE = 2
    HUNG = 3  # late for so long that it is given up; it is out until restarted
    LOST = 4  # late, and it failed or hung in the end: it never took these rows in


FED = (Reason.LATE,)  # a member that was left out for these alone has taken the rows in


class Absent(NamedTuple):
    member: str
    reason: Reason
    detail: str = ""  # of what it raised; replayed answers have none


class Answer(NamedTuple):
    forecast: Forecast
    absent: tuple[Absent, ...]
    reason: str  # why nothing is said; "" where the quorum was met
    records: Events  # what was decided since the last answer: CONTROL events, for the recording


class Unsound(ValueError):
    """What a member said is no forecast."""


class Replayed:
    """The same questions again, with the records of what was decided then; no clock is read."""

    def __init__(
        self,
        ensemble: Ensemble,
        instruments: tuple[Instrument, ...],
        records: Events,
        quorum: int = 0,
    ) -> None:
        self.models, self.instruments = ensemble.members, instruments
        self.council = Council(ensemble, instruments, quorum)
        self.states = [model.init(instruments) for model in self.models]
        self.left_out: dict[tuple[int, int], list[Reason]] = {}
        self.renewed: dict[int, list[int]] = {}
        for one in records[records["action"] == CONTROL]:
            code, lots, turn = (int(one[name]) for name in ("price", "lots", "sequence"))
            if code == Code.ABSTAIN:
                k, reason = divmod(lots, len(Reason))
                self.left_out.setdefault((turn, k), []).append(Reason(reason))
            elif code == Code.RESYNC:
                self.renewed.setdefault(turn, []).append(lots)

    def ask(self, tape: Tape) -> Answer:
        """The answer that was given then."""
        turn, said, missing = self.council.turn, list[Forecast | None](), list[Absent]()
        for k in self.renewed.get(turn, ()):
            self.states[k] = self.models[k].init(self.instruments)
        for k, model in enumerate(self.models):
            why, found = self.left_out.get((turn, k), []), None
            if all(reason in FED for reason in why):
                self.states[k], found = model.predict(self.states[k], tape)
                found = sound(found, len(tape.rows[0].ts), self.council.targets)
            if why:
                missing.append(Absent(self.council.names[k], why[0]))
            said.append(None if why else found)
        return self.council.answer(tape, said, tuple(missing))


class Council:
    """What an answer is made of, once it is settled who is heard. It knows no time."""

    def __init__(
        self, ensemble: Ensemble, instruments: tuple[Instrument, ...], quorum: int
    ) -> None:
        self.names, self.combiner = ensemble.names, ensemble.combiner
        if not self.names:
            raise InputError("panel: an ensemble without members: name two or more")
        self.targets = ensemble.members[0].targets
        if quorum > len(self.names):
            count = len(self.names)
            raise InputError(f"panel: quorum {quorum} of {count} members: give at most {count}")
        self.quorum = quorum or len(self.names) // 2 + 1
        self.state = self.combiner.init(instruments, len(self.names), self.targets)
        self.turn = 0

    def answer(
        self,
        tape: Tape,
        said: Sequence[Forecast | None],
        missing: tuple[Absent, ...],
    ) -> Answer:
        """Without records. The turn is over even where the combiner raises: members went on."""
        self.turn += 1
        n, count = len(tape.rows[0].ts), sum(one is not None for one in said)
        quiet = silent(self.targets, n)
        heard = [quiet if one is None else one for one in said]
        self.state, found = self.combiner.combine(self.state, tape, heard)
        if count >= self.quorum:
            return Answer(found, missing, "", zeros(EVENT))
        aux = dict(found.aux) | {AGREEMENT: np.zeros((n, len(self.targets)), np.float32)}
        why = f"{count} of {len(said)} members answered, {self.quorum} are needed"
        neutral = Forecast(self.targets, quiet.proba, quiet.value, quiet.ready, aux)
        return Answer(neutral, missing, why, zeros(EVENT))


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
    if any(x.shape[:1] != (n,) or not np.isfinite(x).all() for x in (proba, value, *aux.values())):
        raise Unsound("a number that is not finite, or none for some row")
    total = proba[:, :, 0] + proba[:, :, 1] + proba[:, :, 2]
    if (proba < 0).any() or (np.abs(total - 1) > OFF).any():
        raise Unsound("probabilities below 0, or that do not add up to 1")
    return Forecast(targets, proba, value, ready, aux)
