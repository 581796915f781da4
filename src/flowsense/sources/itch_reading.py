"""One pass over a file of ITCH 5.0: blocks in, EVENTs out."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from flowsense._jit import records
from flowsense.errors import InputError
from flowsense.schema import CLEAR, EVENT, GAP, Events, zeros
from flowsense.sources.itch_blocks import Block, blocks
from flowsense.sources.itch_decode import decode, move
from flowsense.sources.itch_orders import FINE, FLAG, ODD, ORDER, SIDE, STATE, STOCK, TICK, WHY
from flowsense.sources.itch_survey import Survey

EVENTS, SLOTS, SMALLEST = 4_096, 1 << 16, 19  # SMALLEST bytes of an order's message


class Plan(NamedTuple):
    """What is read, and of which stocks."""

    path: Path
    capture: bool
    survey: Survey
    chosen: tuple[int, ...]  # where the instruments stand in the survey
    steps: int  # of the prices in the file, dollars times 10,000, that are one tick


class Reading:
    """One pass over a file: all that the events to come depend on."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self.counts = plan, Counter[str]()
        found = plan.survey
        self.stocks = zeros(STOCK, 1 << 16)
        self.stocks["instrument"] = -2 if found.listed else -1
        self.stocks["instrument"][list(found.locates)] = -1
        chosen = [found.locates[k] for k in plan.chosen]
        self.stocks["instrument"][chosen] = np.arange(len(chosen))
        self.state = zeros(STATE, 1)
        self.state["midnight"], self.state["tick"] = found.midnight, plan.steps
        self.state["instruments"] = len(chosen)
        self.orders = zeros(ORDER, SLOTS)
        self.events = zeros(EVENT, EVENTS + len(chosen))

    def __iter__(self) -> Iterator[Events]:
        for block in blocks(self.plan.path, self.plan.capture, self.counts):
            yield from self.block(block)

    def block(self, block: Block) -> Iterator[Events]:
        """The events of one more block. Raises InputError."""
        s = self.state
        if block.lost:
            yield self.forget(int(block.packets[0, 1]))
        if block.packets[0, 2]:
            s["sequence"] = block.packets[0, 2] - 1
        self.make_room(len(block.data) // SMALLEST)
        s["at"] = s["packet"] = 0
        tables = (records(a) for a in (self.stocks, self.orders, s, self.events))
        stocks, orders, state, events = tables
        while s["at"][0] < len(block.data):
            n = decode(block.data, block.packets, stocks, orders, state, events)
            if n:
                yield self.events[:n].copy()
            if s["fault"][0] != FINE:
                raise self.refused(chr(block.data[int(s["at"][0]) + 2]))

    def forget(self, ts: int) -> Events:
        """Nothing is known of any book."""
        s, lost = self.state[0], zeros(EVENT, int(self.state["instruments"][0]))
        s["ts_recv"] = max(s["ts_recv"], ts)
        s["resting"], self.orders["lots"] = 0, 0
        lost["ts_event"] = lost["ts_recv"] = s["ts_recv"]
        lost["instrument"], lost["sequence"] = np.arange(len(lost)), s["sequence"]
        lost["action"], lost["bits"] = CLEAR, GAP
        return lost

    def met(self) -> Counter[str]:
        """Messages by type, and irregularities by name."""
        s = self.state[0]
        kinds = {f"message {chr(k)}": int(s["kinds"][k]) for k in np.flatnonzero(s["kinds"])}
        odd = {why: int(s["odd"][k]) for k, why in ODD.items()}
        return +Counter({**kinds, **odd, **self.counts})

    def make_room(self, orders: int) -> None:
        """Half of the table stays vacant, so that kernels need not check."""
        slots = len(self.orders)
        while 2 * (int(self.state["resting"][0]) + orders) > slots:
            slots *= 2
        if slots > len(self.orders):
            table = zeros(ORDER, slots)
            move(records(self.orders), records(table))
            self.orders = table

    def refused(self, kind: str) -> InputError:
        s, path = self.state[0], self.plan.path
        fault, value, number = int(s["fault"]), int(s["value"]), int(s["sequence"])
        if fault == TICK:
            return InputError(
                f"{path}: message {number}: the price {value / 10_000} lies between ticks: give a "
                "smaller one, such as tick=0.0001, or name the stocks you need"
            )
        text = chr(value) if fault in (SIDE, FLAG) else value
        why = WHY[fault].format(kind=kind, value=text)
        return InputError(f"{path}: message {number}: {why}: download it again")
