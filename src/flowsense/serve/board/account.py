"""A paper account beside the pipeline: it follows what is recommended, on the book as recorded.

What it does is a backtest (`backtest.ticks`) fed by the live stream; nothing is sent anywhere.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowsense.backtest import FILL, MARK
from flowsense.backtest.strategies.follow import Follow
from flowsense.backtest.ticks import Backtest
from flowsense.errors import InputError
from flowsense.exchange.client import Terms
from flowsense.exchange.contracts import contract, worth
from flowsense.exchange.replay import Replay
from flowsense.exchange.venues import VENUES
from flowsense.risk.desk import Risk
from flowsense.schema import SECOND, WHOLE, Instrument
from flowsense.serve.board.told import Mark
from flowsense.serve.decisions import CAPITAL, Decided

NOBODY = Terms()


class Seconds(Backtest):
    """Keeps the first mark of each second, and beside it what holding everything would have made.

    Who holds has bought each instrument for an equal part of the capital, at the ask, when its book
    was first whole, and pays for it what a taker pays.
    """

    def __init__(
        self, table: tuple[Instrument, ...], risk: Risk, terms: tuple[Terms, ...], capital: float
    ) -> None:
        venue, self.capital = Replay(table, terms), capital
        super().__init__(venue, Follow(), risk, capital=capital, terms=terms, every_ns=SECOND)
        self.contracts = tuple(map(contract, table, self.account.terms))
        self.bought = np.full(len(table), np.nan)  # price at which, ticks
        self.holding = list[float]()  # gain of who holds, beside `marks`

    def _keep(self, ts: int, regime: NDArray[np.float32] | None) -> None:
        super()._keep(ts, regime)
        self.holding.append(self._held())

    def _held(self) -> float:
        """In the currency of the account."""
        part, gain = self.capital / len(self.contracts), 0.0
        for i, (c, quote) in enumerate(zip(self.contracts, self.quote, strict=True)):
            if np.isnan(self.bought[i]) and quote["state"] == WHOLE:
                self.bought[i] = float(self.book[i]["ask_px"][0])
            if not np.isnan(self.bought[i]):
                paid, now = worth(c, self.bought[i]), worth(c, quote["mid2"] / 2)
                gain += part * ((now - paid) / abs(paid) - c.taker)
        return gain


class PaperAccount:
    """``account.push(decided)`` for all that is decided, in order; `taken` are the marks since.

    Raises InputError for instruments that no one account can hold.
    """

    def __init__(
        self, table: tuple[Instrument, ...], risk: Risk, *, fees: bool, capital: float = CAPITAL
    ) -> None:
        if any(i.depth == 0 for i in table):
            raise InputError("an instrument shows bars alone, without a book to trade on")
        self.risk, self.since, self.capital = risk, 0, capital
        charged = tuple(terms(i) if fees else NOBODY for i in table)
        self.run = Seconds(table, risk, charged, capital)
        self.peak = self.worst = 0.0
        self.trades = 0

    def push(self, one: Decided, risk: Risk) -> None:
        """risk: of the model that answers now; another one begins with what is known of it."""
        if risk is not self.risk:
            self.risk = self.run.risk = risk
            self.run.caution = risk.init(self.capital)
        self.run.push(one.tape, one.forecast)

    def taken(self) -> tuple[Mark, ...]:
        """Of the whole seconds that have begun since this was asked last."""
        run = self.run
        marks, run.marks = np.concatenate(run.marks), [np.zeros(0, MARK)]
        hold, run.holding = run.holding, []
        self.trades += sum(map(len, run.fills))
        run.fills = [np.zeros(0, FILL)]
        return tuple(self._mark(mark, gain) for mark, gain in zip(marks, hold, strict=True))

    def _mark(self, mark: Any, hold: float) -> Mark:
        net, gross = float(mark["equity"]) - self.capital, float(mark["gross"]) - self.capital
        self.since = self.since or int(mark["ts"])
        self.peak = max(self.peak, net)
        drawdown = (self.peak - net) / self.capital
        self.worst = max(self.worst, drawdown)
        return Mark(int(mark["ts"]) // SECOND, net, gross, float(hold), drawdown)

    @property
    def paid(self) -> tuple[float, float]:
        """Turnover and fees until now."""
        marks = self.run.account.marks
        return float(marks["turnover"][0]), float(marks["fees"][0])

    @property
    def held(self) -> tuple[tuple[str, float], ...]:
        """Symbols with what is held of them, in units of the venue."""
        lots = zip(self.run.instruments, self.run.account.position.tolist(), strict=True)
        return tuple((i.symbol, n * float(i.lot)) for i, n in lots if n)


def terms(instrument: Instrument) -> Terms:
    """What its venue takes from who has just come; of a venue that is not known, nothing."""
    found = VENUES.get(instrument.venue)
    return NOBODY if found is None else found.terms
