"""A script of faults as it is played: which begin now, and what they make of a message."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np

from flowsense.replay.faults import Step
from flowsense.replay.seat import Seat
from flowsense.wall import elapsed

Frames: TypeAlias = list[tuple[Seat, bytes]]  # to whom
ON_MESSAGES = ("drop", "duplicate", "delay", "swap", "garble")


class Sent(NamedTuple):
    """What leaves the venue."""

    frames: Frames
    late: float = 0.0  # s
    how: str = ""  # it is garbled


@dataclass(eq=False)
class Armed:
    """A fault of messages that are still to come."""

    step: Step
    left: int


class Trouble:
    """Knows nothing of sockets."""

    def __init__(self, steps: Collection[Step] = ()) -> None:
        self.timed = sorted((s for s in steps if s.at is not None), key=lambda s: s.at or 0.0)
        self.numbered = [s for s in steps if s.message is not None]
        self.armed, self.counts = list[Armed](), Counter[str]()
        self.held = dict[str, Frames]()  # by symbol: it waits for the next to overtake it
        self.lasting = dict[tuple[str, str], tuple[Step, float]]()
        self.rng = np.random.default_rng(0)

    def next(self, until: float) -> Step | None:
        """The next that begins by then, seconds of the recording; once."""
        return self.timed.pop(0) if self.timed and (self.timed[0].at or 0.0) <= until else None

    def message(self, symbol: str) -> list[Step]:
        """Those that begin with this message, which is about to be sent."""
        self.counts[""] += 1
        self.counts[symbol] += 1
        due = [s for s in self.numbered if s.message == self.counts[s.symbol]]
        mine = [s for s in due if s.symbol in ("", symbol)]
        self.numbered = [s for s in self.numbered if s not in mine]
        return mine

    def begin(self, step: Step) -> None:
        if step.do in ON_MESSAGES:
            self.armed.append(Armed(step, step.count))
        elif step.seconds:
            _, until = self.lasting.get((step.do, step.symbol), (step, 0.0))
            self.lasting[step.do, step.symbol] = step, max(until, elapsed() + step.seconds)

    def now(self, do: str, symbol: str = "") -> Step | None:
        """The fault of this kind that lasts, of the symbol or of all."""
        for key in ((do, symbol), (do, "")):
            step, until = self.lasting.get(key, (None, 0.0))
            if elapsed() < until:
                return step
        return None

    def left(self, step: Step) -> float:
        """Seconds that it still lasts."""
        return max(self.lasting[step.do, step.symbol][1] - elapsed(), 0.0)

    def through(self, symbol: str, frames: Frames) -> list[Sent]:
        if self.now("silence", symbol):
            return []
        if symbol in self.held:
            return [Sent(frames), Sent(self.held.pop(symbol))]
        fault = next((a for a in self.armed if a.step.symbol in ("", symbol)), None)
        if fault is None:
            return [Sent(frames)]
        fault.left -= 1
        if not fault.left:
            self.armed.remove(fault)
        match fault.step.do:
            case "duplicate":
                return [Sent(frames), Sent(frames)]
            case "delay":
                return [Sent(frames, late=fault.step.seconds)]
            case "garble":
                return [Sent(frames, how=fault.step.how)]
            case "swap":
                self.held[symbol] = frames
        return []

    def rest(self) -> list[Sent]:
        """What still waits when nothing more is said."""
        kept = [Sent(frames) for frames in self.held.values()]
        self.held.clear()
        return kept

    def garbled(self, frame: bytes, how: str) -> bytes:
        middle = len(frame) // 2
        if how == "cut":
            return frame[:middle]
        if how == "utf8":
            return frame[:middle] + b"\xff" + frame[middle + 1 :]
        digits = [k for k, c in enumerate(frame) if chr(c).isdigit()]
        if not digits:
            return frame
        k = digits[self.rng.integers(len(digits))]
        other = (frame[k] - ord("0") + int(self.rng.integers(1, 10))) % 10
        return frame[:k] + b"%d" % other + frame[k + 1 :]
