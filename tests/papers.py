"""A small session on paper, pushed in pieces and left in the middle."""

from dataclasses import replace

import numpy as np
from toys import Ewma

from flowsense.backtest.arms import Arm, Plan
from flowsense.backtest.consumed import ahead
from flowsense.backtest.paper import Care, Paper
from flowsense.backtest.strategies.coin import Random
from flowsense.backtest.strategies.quote import Quote
from flowsense.exchange.client import Terms
from flowsense.exchange.latency import Constant
from flowsense.exchange.replay import Rules
from flowsense.features.catalogue import spec
from flowsense.forecast import Target
from flowsense.model.calibrated import Calibrated
from flowsense.schema import MILLISECOND, NEVER, SECOND, Chunk
from flowsense.simulate.market import Market, simulate
from flowsense.sources import NO_BARS, NO_OBSERVATIONS
from flowsense.testing.virtual import Virtual

SPEC = spec(("depth", "ofi"))
MODEL = Calibrated(
    Ewma(Target("mid", SECOND), SPEC.columns.index("ofi_l1_1s")), np.array([[1.0, 1.0, 0.0]])
)
WAY = Rules(order=Constant(20 * MILLISECOND), response=Constant(30 * MILLISECOND))
PLAN = Plan(Quote.of(1), terms=Terms(taker=1e-5, rebate=2e-5), rules=WAY)
MAKER = {"maker": Arm(MODEL, SPEC, PLAN)}
TWO = MAKER | {"a coin": Arm(MODEL, SPEC, replace(PLAN, strategy=Random(0.2, SECOND)))}
OFTEN = Care(folded_ns=0, share=np.inf, status_ns=0)  # a state and a status at every push
SELDOM = Care(folded_ns=NEVER, sync_ns=NEVER, status_ns=NEVER)
FILES = ("fills.jsonl", "marks.jsonl", "status.json")


def market(seconds=10, seed=4):
    return simulate(Market.tiny(), seconds, seed=seed)


def opened(folder, made, arms=MAKER, care=SELDOM):
    return Paper(folder, arms, made.instruments, care, Virtual())


def chunk(events):
    return Chunk(events, NO_BARS, NO_OBSERVATIONS)


def pieces(events, cuts):
    return [chunk(part) for part in np.split(events, cuts)]


def traded(paper, chunks):
    """All that it has not seen of them; what then lies in its folder, by name."""
    for part in ahead(chunks, paper.position):
        paper.push(part)
    paper.results()
    paper.finish()
    return found(paper.folder.path)


def found(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for f in FILES for p in folder.rglob(f)}
