"""Whose execution a trade was: its two orders are named by the lines before it."""

from collections import deque
from typing import NamedTuple

from flowsense.schema import MILLISECOND

WAIT = 1_000 * MILLISECOND  # a trade is told within 0.1 s of the lines of its orders


class Claim(NamedTuple):
    """One side of an execution."""

    ts: int
    order: int
    side: int
    lots: int  # 0: not known
    taking: bool  # it was not in the book


class Match(NamedTuple):
    """What is known of a trade."""

    side: int  # of the aggressor; 0 unknown
    heard: bool  # the lots of the order that was hit were


class Claims:
    """Executions that wait for their trade."""

    def __init__(self) -> None:
        self.waiting: deque[Claim] = deque()

    def add(self, claim: Claim) -> None:
        self.waiting.append(claim)

    def match(self, ts: int, lots: int) -> Match:
        """The aggressor is the order that came later; both then wait no longer."""
        while self.waiting and self.waiting[0].ts < ts - WAIT:
            self.waiting.popleft()
        bid, ask = self._claimed(1, lots), self._claimed(-1, lots)
        if bid and ask:
            side = 1 if bid.order > ask.order else -1
        elif one := bid or ask:
            side = one.side if one.taking else -one.side
        else:
            return Match(0, False)
        maker = ask if side > 0 else bid
        return Match(side, maker is not None and maker.lots > 0)

    def _claimed(self, side: int, lots: int) -> Claim | None:
        """The earliest of these lots, else one whose lots are not known."""
        for wanted in (lots, 0):
            for claim in self.waiting:
                if claim.side == side and claim.lots == wanted:
                    self.waiting.remove(claim)
                    return claim
        return None
