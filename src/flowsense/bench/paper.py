"""What it costs a backtest to survive kill -9: the same stream with a folder and without.

A maker that heeds a logistic forecast, on a simulated market, in pieces of 512 events; each piece
is pushed to all. Seconds are those of the processor. Then the folder is left as kill -9 leaves it,
and opened again.
"""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from flowsense.backtest.arms import Arm, Arms, Plan
from flowsense.backtest.paper import Care, Paper
from flowsense.backtest.strategies.quote import Quote
from flowsense.bench import Result
from flowsense.exchange.latency import Constant
from flowsense.exchange.replay import Rules
from flowsense.features.catalogue import spec
from flowsense.forecast import Target
from flowsense.model import Budget
from flowsense.model.calibrated import Calibrated
from flowsense.models import build
from flowsense.schema import MILLISECOND, NEVER, Chunk, Events
from flowsense.simulate.market import Market, Simulation, simulate
from flowsense.sources import NO_BARS, NO_OBSERVATIONS
from flowsense.testing import Recording
from flowsense.train.dataset import prepare
from flowsense.wall import Stopwatch

SECONDS, PIECE = 1_800, 512
FAMILIES = ("ofi", "depth", "flow")
TARGET = Target("mid", 500 * MILLISECOND)
WAY = Constant(MILLISECOND)
STATELESS = Care(folded_ns=NEVER, journal=NEVER)


def maker(made: Simulation) -> dict[str, Arm]:
    """It learns from what it trades on: nothing is claimed of what it earns."""
    columns = spec(FAMILIES)
    data = prepare(Recording(made.instruments, made.events), columns, (TARGET,))
    learner = Calibrated(build("logistic"))
    model = learner.fit(data, data.labels, seed=0, budget=Budget(steps=100))
    return {"maker": Arm(model, columns, Plan(Quote.of(1), rules=Rules(order=WAY, response=WAY)))}


def beside(made: Simulation, arms: dict[str, Arm], folder: Path) -> dict[str, Any]:
    """Seconds without a folder, with a journal alone, and with states too; and what lies there."""
    table = made.instruments
    runs: dict[str, Arms | Paper] = {
        "alone": Arms(arms, table),
        "journal_seconds": Paper(folder / "journal", arms, table, STATELESS),
        "seconds": Paper(folder / "paper", arms, table),
    }
    watches = {name: Stopwatch(processor=True) for name in runs}
    for events in np.split(made.events, range(PIECE, len(made.events), PIECE)):
        for name, run in runs.items():
            with watches[name]:
                run.push(chunk(events))
    _, journal, paper = runs.values()
    assert isinstance(journal, Paper) and isinstance(paper, Paper)
    metrics: dict[str, Any] = {name: watch.seconds for name, watch in watches.items()}
    kept = [path.stat().st_size for path in (folder / "paper/journal").iterdir()]
    metrics |= {"events": len(made.events), "states": paper.journal.generation, "bytes": sum(kept)}
    for one in (journal, paper):
        one.let_go()
    again = Stopwatch(processor=True)
    with again:
        paper = Paper(folder / "paper", arms, table)
    metrics |= {"opening_seconds": again.seconds, "pushes_again": paper.recovery.pushes}
    found, expected = (run.results()["maker"].fills for run in (paper, runs["alone"]))
    paper.close()
    return metrics | {"same": found.tobytes() == expected.tobytes()}


def chunk(events: Events) -> Chunk:
    return Chunk(events, NO_BARS, NO_OBSERVATIONS)


def run() -> Result:
    """Seconds of the processor; the ratio is that of a backtest to ours."""
    made = simulate(Market(instruments=1, leads=()), SECONDS, 0)
    with TemporaryDirectory() as folder:
        metrics = beside(made, maker(made), Path(folder) / "paper")
    alone = metrics.pop("alone")
    metrics["journal_share"] = metrics["journal_seconds"] / alone - 1
    metrics["share"] = metrics["seconds"] / alone - 1
    baseline = {"name": "the same without a folder", "seconds": alone}
    return Result("paper", metrics, baseline, baseline["seconds"] / metrics["seconds"])
