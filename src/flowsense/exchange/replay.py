"""A venue made of a recording: its events go on as they did, and our orders stand among them.

The market never answers to us. What an order would have got is read from what traded and what was
displayed; `exchange.resting` says by which rules, `docs/exchange.md` what they cannot know.
"""

from hashlib import blake2b
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowsense._jit import records
from flowsense.book import tables
from flowsense.errors import InputError
from flowsense.exchange import latency
from flowsense.exchange.client import KINDS, POST, REPORT, Reports, Requests, Terms
from flowsense.exchange.contracts import checked as checked_terms
from flowsense.exchange.latency import Constant, Latency
from flowsense.exchange.matching import LIMIT, MARKET, REQUEST
from flowsense.exchange.replay_kernels import INBOX, replay
from flowsense.exchange.resting import MARKET as STATE
from flowsense.exchange.resting import OWN, PROBABILISTIC, RISK_AVERSE
from flowsense.schema import NO_ASK, NO_BID, Events, Instrument, checked, zeros
from flowsense.store.checkpoint import pack, unpack

FORMAT = 3
QUEUES = {"risk-averse": RISK_AVERSE, "probabilistic": PROBABILISTIC}
MOST = 1024  # orders of one instrument that may rest
TABLES = ("state", "levels", "orders", "ranks", "own")  # of the loop
NONE = zeros(REQUEST)
RUN = np.dtype(
    [
        ("received", "i8"),  # ts_recv of the last event
        ("sent", "i8"),  # `ts` of the last request
        ("arrival", "i8"),  # when it reaches the venue
        ("order_id", "i8"),  # the greatest that entered
        ("requests", "i8"),  # so far
        ("reports", "i8"),
        ("reported", "i8"),  # `ts` of the last report, sent or held
    ]
)


class Rules(NamedTuple):
    """How the venue is reached, and how it is read from the recording."""

    order: Latency = Constant()  # from us to the venue
    response: Latency = Constant()  # from the venue to us
    feed_ns: int = -1  # of a feed whose ts_event says nothing; -1: ts_event says when it happened
    queue: str = "risk-averse"  # or probabilistic; by order it is exact
    power: float = 3.0  # of the probabilistic queue, above 0
    orders: int = 64  # of one instrument that may rest


FREE, AT_ONCE = Terms(), Rules()


class Replay:
    """`exchange.client.Venue` over recorded events.

    The clock of the venue is the greatest ts_event so far, never later than ts_recv; a record
    without one counts as of its ts_recv, and with `Rules.feed_ns` every record as of
    ts_recv - feed_ns. A request is carried out before the first event that happened after its
    arrival, between the messages of its instrument. BEATs move the clock where they have a
    ts_event, or with `feed_ns`.

    Args:
        instruments: of the recording.
        terms: what each of them costs, or one for all.
        seed: of latencies that are drawn.

    Raises:
        InputError: rules or terms cannot be.
    """

    def __init__(
        self,
        instruments: tuple[Instrument, ...],
        terms: Terms | tuple[Terms, ...] = FREE,
        rules: Rules = AT_ONCE,
        seed: int = 0,
    ) -> None:
        n = len(instruments)
        each = (terms,) * n if isinstance(terms, Terms) else tuple(terms)
        if len(each) != n or n == 0:
            raise InputError(f"replay: {len(each)} terms of {n} instruments, give one for each")
        self.table, self.rules, self.seed = instruments, ruled(rules), seed
        self.terms = tuple(map(checked_terms, each))
        state = np.zeros(n, STATE)
        by_order = np.array([i.by_order for i in instruments], np.bool_)
        levels, orders = tables.allocate(state["sides"], by_order)
        state["instrument"] = np.arange(n)
        state["edge"], state["rear"] = NO_BID, NO_ASK
        state["shows"] = [i.depth for i in instruments]
        state["least"] = [t.least for t in self.terms]
        state["feed"], state["queue"] = rules.feed_ns, QUEUES[rules.queue]
        state["power"], state["most"] = rules.power, rules.orders
        self.arrays: dict[str, NDArray[Any]] = {
            "state": state,
            "levels": levels,
            "orders": orders,
            "ranks": np.zeros_like(orders),
            "own": np.zeros((n, 2, rules.orders + 1), OWN),
            "run": np.zeros(1, RUN),
            "inbox": np.zeros(0, INBOX),
            "held": zeros(REPORT),
        }
        self.out = records(np.zeros(max(4096, 4 * rules.orders + 16), REPORT))
        self.room = 0  # events until tables may have to grow
        self._bind()

    @property
    def instruments(self) -> tuple[Instrument, ...]:
        return self.table

    def push(self, events: Events, requests: Requests = NONE) -> Reports:
        """(k,) REPORT that have reached the client by the ts_recv of the last of these events.

        Requests may be given ahead of the events among which they are sent; the result is that of
        giving each in time. Raises InputError for records that cannot be, and for a request that
        claims to be sent before events which the venue has been given already.
        """
        events = checked(events, len(self.table))
        run = self.arrays["run"][0]
        if len(events) and events["ts_recv"][0] < run["received"]:
            ts, past = events["ts_recv"][0], run["received"]
            raise InputError(f"events: ts_recv {ts} comes after {past}: give them in order")
        if len(requests):
            self._post(requests)
        parts: list[bytes] = []
        while len(events):
            if self.room <= 0:
                self._make_room()
            part = events if len(events) <= self.room else events[: self.room]
            inbox = records(self.arrays["inbox"])
            used, done, told = replay(self.tables, inbox, records(part), self.out)
            self.room -= used
            if done:
                self.arrays["inbox"] = self.arrays["inbox"][done:]
            if told:
                parts.append(self.out[:told].tobytes())
            if used:
                run["received"] = events["ts_recv"][used - 1]
            events = events[used:]
        if parts:
            self._hold(np.frombuffer(bytearray().join(parts), REPORT))
        return self._release()

    def snapshot(self) -> bytes:
        """Everything that later reports depend on."""
        return pack({"digest": np.array(self.digest)} | self.arrays)

    def restore(self, data: bytes) -> None:
        """Go on where a snapshot was taken. Raises InputError where it is of another venue."""
        arrays = unpack(data)
        if "digest" not in arrays or str(arrays["digest"]) != self.digest:
            raise InputError("snapshot: it is of other instruments, terms, rules or another seed")
        self.arrays = {k: arrays[k].copy().view(a.dtype) for k, a in self.arrays.items()}
        self.room = 0
        self._bind()

    @property
    def digest(self) -> str:
        """Of all that a snapshot must agree with."""
        told = repr((FORMAT, self.table, self.terms, self.rules, self.seed))
        return blake2b(told.encode(), digest_size=8).hexdigest()

    def _bind(self) -> None:
        state, levels, orders, ranks, own = (records(self.arrays[name]) for name in TABLES)
        self.tables = state, levels, orders, ranks, own

    def _make_room(self) -> None:
        """Tables grow before they can be full; what is ahead of whom lies as the orders do."""
        a, sides = self.arrays, self.arrays["state"]["sides"]
        before = sides["order_start"].copy(), sides["order_slots"].copy()
        made = tables.make_room(sides, a["levels"], a["orders"])
        a["levels"], a["orders"], self.room = made
        if len(a["orders"]) > 1 and (before[0] != sides["order_start"]).any():
            ranks = np.zeros_like(a["orders"])
            for start, slots, side in zip(*before, sides, strict=True):
                old = a["ranks"][start : start + slots].copy()
                place = int(side["order_start"]), int(side["order_slots"])
                tables.move_orders(records(old), records(ranks), *place)
            a["ranks"] = ranks
        self._bind()

    def _post(self, requests: Requests) -> None:
        """Requests on their way; one never overtakes another."""
        run = self.arrays["run"][0]
        q = asked(requests, len(self.table), run)
        wait = self.rules.order.ns(q["ts"], int(run["requests"]), 2 * self.seed)
        more = np.zeros(len(q), INBOX)
        for name in REQUEST.names or ():
            more[name] = q[name]
        more["arrival"] = np.maximum.accumulate(np.maximum(q["ts"] + wait, run["arrival"]))
        run["arrival"], run["sent"] = more["arrival"][-1], q["ts"][-1]
        run["requests"] += len(q)
        run["order_id"] = max(run["order_id"], q["order_id"][entering(q)].max(initial=0))
        self.arrays["inbox"] = np.concatenate([self.arrays["inbox"], more]).view(INBOX)

    def _hold(self, reports: NDArray[Any]) -> None:
        """Reports on their way back; one never overtakes another."""
        run, at = self.arrays["run"][0], reports["ts_venue"]
        wait = self.rules.response.ns(at, int(run["reports"]), 2 * self.seed + 1)
        reports["ts"] = np.maximum.accumulate(np.maximum(at + wait, run["reported"]))
        run["reported"] = reports["ts"][-1]
        run["reports"] += len(reports)
        self.arrays["held"] = np.concatenate([self.arrays["held"], reports]).view(REPORT)

    def _release(self) -> Reports:
        held = self.arrays["held"]
        if not len(held):
            return held
        n = int(np.searchsorted(held["ts"], self.arrays["run"]["received"][0], "right"))
        self.arrays["held"] = held[n:]
        return held[:n]


def entering(q: Requests) -> NDArray[np.bool_]:
    """(k,) whether it is an order, and not about one."""
    kind = q["kind"]
    entered: NDArray[np.bool_] = (kind == LIMIT) | (kind == MARKET) | (kind == POST)
    return entered


def asked(requests: Requests, instruments: int, run: np.void) -> Requests:
    """Requests that can be read. What a venue would refuse passes. Raises InputError."""
    if requests.dtype != REQUEST:
        raise InputError(f"requests: dtype {requests.dtype}, not REQUEST")
    q, enters = requests, entering(requests)
    before = np.maximum.accumulate(np.where(enters, q["order_id"], run["order_id"]))
    before = np.r_[run["order_id"], np.maximum(before, run["order_id"])][:-1]
    past = max(int(run["sent"]), int(run["received"]))
    rules = (
        ("instrument", (q["instrument"] >= 0) & (q["instrument"] < instruments), "one of ours"),
        ("kind", np.isin(q["kind"], KINDS), f"one of {KINDS}"),
        ("side", ~enters | (np.abs(q["side"]) == 1), "+1 or -1"),
        ("order_id", ~enters | (q["order_id"] > before), "ids above 0 that rise"),
        ("ts", np.diff(q["ts"], prepend=past) >= 0, f"ns that never fall, {past} or later"),
    )
    for name, good, rule in rules:
        if not good.all():
            i = int(np.argmin(good))
            raise InputError(f"request {i}: {name} {q[name][i]} cannot be, give {rule}")
    return requests.view(REQUEST)


def ruled(rules: Rules) -> Rules:
    """Raises InputError where rules cannot be."""
    latency.checked("order", rules.order)
    latency.checked("response", rules.response)
    if rules.queue not in QUEUES:
        raise InputError(f"rules: queue {rules.queue!r}, give {' or '.join(QUEUES)}")
    if not 0 < rules.power < 100:
        raise InputError(f"rules: power {rules.power}, give a number above 0, at most 100")
    if not 0 < rules.orders <= MOST:
        raise InputError(f"rules: {rules.orders} orders, give 1 to {MOST}")
    if rules.feed_ns < -1:
        raise InputError(f"rules: feed_ns {rules.feed_ns}, give ns, or -1 where ts_event tells")
    return rules
