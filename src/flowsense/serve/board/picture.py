"""What is kept of the stream for pages to come: columns of each instrument, and a paper account."""

from collections import deque
from typing import NamedTuple

from flowsense.errors import InputError
from flowsense.risk.desk import Risk
from flowsense.schema import Instrument
from flowsense.serve.board.account import PaperAccount
from flowsense.serve.board.columns import Column, Columns, Said
from flowsense.serve.board.kept import Kept
from flowsense.serve.board.told import KEPT, EquityNow, Mark
from flowsense.serve.decisions import CAPITAL, Decided
from flowsense.served import Prediction

FEW = 8  # instruments of which all of `KEPT` is kept; of more, together as many
FEWEST = 600
MARKS = 3_600  # an hour
STOPPED = frozenset({"breaker", "drawdown"})  # vetoes of an open breaker


class News(NamedTuple):
    """What came of some work."""

    columns: list[Column]
    marks: tuple[Mark, ...]


class Picture:
    """`work` is done on a thread of its own, one piece at a time; the rest on the loop's."""

    def __init__(
        self, table: tuple[Instrument, ...], risk: Risk, *, fees: bool, capital: float = CAPITAL
    ) -> None:
        self.table, self.columns, self.capital = table, Columns(table), capital
        self.place = {(i.venue, i.symbol): k for k, i in enumerate(table)}
        size = min(KEPT, max(KEPT * FEW // len(table), FEWEST))
        self.kept = [Kept(size) for _ in table]
        self.marks = deque[Mark](maxlen=MARKS)
        self.account: PaperAccount | None = None
        self.why = ""  # there is no account
        try:
            self.account = PaperAccount(table, risk, fees=fees, capital=capital)
        except InputError as error:
            self.why = str(error)

    def said(self, one: Prediction) -> None:
        """It stands in the columns from its time on."""
        likely = max(one.regime.values(), default=0.0)
        said = Said(
            *(one.ts, one.direction, one.confidence),
            *([*one.regime.values()].index(likely) if one.regime else -1, likely),
            act=one.should_trade,
            breaker=bool(STOPPED.intersection(one.vetoes)),
        )
        self.columns.said[self.place[one.venue, one.symbol]].append(said)

    def work(self, some: list[tuple[Decided, Risk]]) -> News:
        """Of what was decided, in order, each with the risk that decided."""
        columns = list[Column]()
        for one, risk in some:
            columns += self.columns.push(one.tape.events)
            if self.account is not None:
                self.account.push(one, risk)
        marks = self.account.taken() if self.account is not None else ()
        return News(columns, marks)

    def put(self, news: News) -> None:
        for column in news.columns:
            self.kept[column.instrument].put(column)
        self.marks += news.marks

    def equity(self, marks: tuple[Mark, ...]) -> EquityNow:
        """With these marks."""
        account = self.account
        if account is None:
            return EquityNow(self.why, self.capital, 0, (), 0.0, 0, 0.0, 0.0, ())
        numbers = (account.worst, account.trades, *account.paid, account.held)
        return EquityNow("", self.capital, account.since, marks, *numbers)

    def bucket(self, instrument: int) -> int:
        return int(self.columns.bucket[instrument])


def levels(column: Column, of: Instrument) -> tuple[list[tuple[float, float]], ...]:
    """Bids and asks as price and size, best first; none without a book."""
    book, tick, lot = column.book, float(of.tick), float(of.lot)
    if book is None:
        return [], []
    sides = ((book[f"{side}_px"].tolist(), book[f"{side}_sz"].tolist()) for side in ("bid", "ask"))
    return tuple([(p * tick, n * lot) for p, n in zip(*one, strict=True) if n] for one in sides)
