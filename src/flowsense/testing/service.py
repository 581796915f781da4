"""A served market without sockets: a fitted model that runs over a simulated stream on demand.

Everything in it is real but the venue: the engine, the model, the desk that recommends.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from flowsense.errors import InputError
from flowsense.features.catalogue import spec
from flowsense.forecast import Target
from flowsense.model import Budget
from flowsense.model.calibrated import Calibrated
from flowsense.models.logistic import Logistic
from flowsense.schema import Decimal, Events, Instrument
from flowsense.serve.asking import of_row, told
from flowsense.serve.bodies import events_of
from flowsense.serve.decisions import Decided, Decisions
from flowsense.serve.speaking import predictions
from flowsense.serve.swapping import push
from flowsense.served import Explanation, Feed, Model, Prediction, Status, Swap
from flowsense.testing.streams import Recording
from flowsense.testing.toy import by_level, by_order, merge
from flowsense.train.dataset import prepare
from flowsense.wall import now_utc

SPEC = spec(("depth", "ofi", "flow"), ("interval:100ms",))
TARGETS = (Target.parse("mid@1s"), Target.parse("magnitude@1s"))
TABLE = tuple(
    Instrument(symbol, "toy", Decimal(1, -2), Decimal(1, 0)) for symbol in ("BTCUSDT", "ETHUSDT")
)
KEPT = 1_000
Hear = Callable[[Prediction], None]


def market(n: int, seed: int) -> Events:
    """About 2 n events of both instruments."""
    return merge(*(by_level(by_order(n, seed + k, k)) for k in range(len(TABLE))))


@lru_cache
def fitted() -> tuple[Calibrated, tuple[int, int]]:
    """A model, and the span that it learned from."""
    data = prepare(Recording(TABLE, market(2_000, 1)), SPEC, TARGETS)
    plain = Calibrated(Logistic.tiny())
    model = plain.fit(data, data.labels, seed=0, budget=Budget(steps=8))
    return model, (int(data.ts[0]), int(data.ts[-1]) + 1)


class Simulated:
    """A `serve.Service`. `advance` takes the place of what a venue sends."""

    def __init__(self, events: Events | None = None) -> None:
        self.model, self.trained = fitted()
        self.events = market(1_500, 11) if events is None else events
        self.decisions = Decisions(self.model, SPEC, TABLE)
        self.engine = self.decisions.engine
        self.at, self.count, self.state, self.why = 0, 0, "stopped", ""
        self.kept: deque[Prediction] = deque(maxlen=KEPT)
        self.newest: dict[str, tuple[Prediction, dict[str, float]]] = {}
        self.listeners: list[Hear] = []

    def advance(self, n: int) -> int:
        """The next events of the stream; -> how many predictions they made."""
        if self.state != "running":
            return 0
        some, before = self.events[self.at : self.at + n], self.count
        self.at += len(some)
        for one in push(self.decisions, some):
            self._tell(one)
        return self.count - before

    def fail(self, why: str) -> None:
        self.state, self.why = "failed", why

    def status(self) -> Status:
        feed = Feed(
            venue="toy",
            symbols=tuple(i.symbol for i in TABLE),
            state="live" if self.state == "running" else "stopped",
            since=int(self.events["ts_recv"][0]),
            messages=self.at,
            events=self.at,
            reconnects=0,
            gaps=0,
            malformed=0,
            last=int(self.events["ts_recv"][self.at - 1]) if self.at else 0,
        )
        model = Model(
            name="logistic",
            version=self.engine.version,
            path="",
            targets=tuple(map(str, TARGETS)),
            columns=len(SPEC.columns),
            members=("logistic",),
            trained=self.trained,
            loaded=self.trained[1],
            columns_digest=SPEC.digest,
        )
        return Status(
            state=self.state,
            why=self.why,
            started=int(self.events["ts_recv"][0]),
            predictions=self.count,
            events=self.at,
            dropped=0,
            waiting=0,
            feeds=(feed,),
            model=model,
        )

    async def start(self) -> None:
        if self.state == "failed":
            raise InputError(f"the pipeline failed: {self.why}: start the process again")
        self.state = "running"

    async def stop(self) -> None:
        self.state = self.state if self.state == "failed" else "stopped"

    async def reload(self, path: Path | None) -> Swap:
        """The same model again: there is no other."""
        now = self.engine.version
        return Swap(path is None, now, now, "" if path is None else f"{path.name}: no checkpoint")

    def latest(self, symbol: str, venue: str = "") -> Prediction | None:
        return self.newest[symbol][0] if symbol in self.newest else None

    def explain(self, symbol: str, venue: str = "") -> Explanation | None:
        if symbol not in self.newest:
            return None
        found, row = self.newest[symbol]
        return Explanation(found, {"logistic": found.forecasts}, {"logistic": 1.0}, row, {})

    async def of_events(self, events: bytes) -> tuple[Prediction, ...]:
        apart = Simulated(events_of(events, TABLE))
        await apart.start()
        apart.advance(len(apart.events))
        return tuple(replace(p, sequence=0) for p in apart.kept)

    async def of_row(self, columns: dict[str, float], symbol: str, venue: str = "") -> Prediction:
        return of_row(self.decisions, columns, now_utc(), symbol, venue)

    def subscribe(self, hear: Hear, stale: Hear | None = None) -> Callable[[], None]:
        self.listeners.append(hear)
        return lambda: self.listeners.remove(hear)

    def since(self, sequence: int) -> tuple[Prediction, ...]:
        return tuple(p for p in self.kept if p.sequence > sequence)

    def _tell(self, one: Decided) -> None:
        rows, risk = one.tape.rows[0], self.decisions.risk
        made = predictions(one, TABLE, risk, self.count + 1, self.engine.version)
        for r, found in enumerate(made):
            self.count = found.sequence
            self.kept.append(found)
            self.newest[found.symbol] = found, told(SPEC, rows, r)
            for hear in list(self.listeners):
                hear(found)
