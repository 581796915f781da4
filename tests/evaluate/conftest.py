"""A market whose forecasts are known to be good or blind, scored once for the report's tests."""

from typing import NamedTuple

import numpy as np
import pytest

from flowsense.evaluate.curves import curves
from flowsense.evaluate.sample import Index
from flowsense.evaluate.score import evaluate
from flowsense.forecast import Forecast, Target
from flowsense.labels import Labels
from flowsense.schema import MILLISECOND, SECOND

TARGETS = tuple(map(Target.parse, ("ofi@1s", "mid@500ms", "magnitude@1s")))
HOSTILE = "<script>alert(1)</script>$x$"


class Fold(NamedTuple):
    train: np.ndarray
    choose: np.ndarray
    test: np.ndarray


class World(NamedTuple):
    """What `evaluate` and `curves` are given."""

    labels: Labels
    index: Index
    folds: tuple[Fold, ...]
    models: dict[str, tuple[Forecast, ...]]
    rules: dict[str, tuple[Forecast, ...]]
    mid: np.ndarray


def forecast(p):
    ready = np.ones(p.shape[:2], np.bool_)
    return Forecast(TARGETS, p.astype("f4"), (p[..., 2] - p[..., 0]).astype("f4"), ready)


def made(n=6_000, seed=0):
    rng = np.random.default_rng(seed)
    p = rng.dirichlet((0.6, 2, 0.5), (n, 3))
    y = (rng.random((n, 3, 1)) > p.cumsum(axis=2)[..., :2]).sum(axis=2).astype("f4")
    move = y - 1
    y[:, 2] = np.abs(move[:, 2])
    ts = np.arange(n) // 2 * 500 * MILLISECOND
    part = np.repeat((np.arange(n) / n)[:, None], 3, axis=1)
    known_at = np.repeat(ts[:, None] + SECOND, 3, axis=1)
    labels = Labels(TARGETS, y, move, known_at, part < 0.999, y * 0 + 1)
    index = Index(ts, np.arange(n) % 2, (HOSTILE, "B"))
    fold = Fold(part < 0.4, (part >= 0.45) & (part < 0.5), part >= 0.5)
    good = forecast(0.8 * p + 0.2 / 3)
    blind, vote = (forecast(rng.dirichlet((1, 3, 1), (n, 3))) for _ in range(2))
    mid = 5_000 + np.cumsum(rng.integers(-1, 2, n)) / 2
    models = {"good": (good,), "blind": (blind,)}
    return World(labels, index, (fold,), models, {"vote": (vote,)}, mid)


@pytest.fixture(scope="package")
def world():
    return made()


@pytest.fixture(scope="package")
def drawn(world):
    return curves(*world, {"B": 0.01})


@pytest.fixture(scope="package")
def scored(world):
    """metrics.json of that market, as a run writes it."""
    found = evaluate(*world[:5])
    return {
        "schema": 1,
        "seed": 7,
        "data": {"span": [0, 10**12], "events": 12_345, "rows": 6_000},
        "config": {"models": ["good", "blind"], "budget_s": 180.0, "end": 2**62},
        "timing": {"read": {"seconds": 2.0, "events": 12_345, "rows": 0}},
        "models": found.as_json(),
        "backtest": {},
        "warnings": list(found.warnings),
        "left_out": ["mid@1m: no row is left for test: record longer"],
        "chosen": "good",
        "importances": {"good": {"mid@500ms": {"queue_imbalance": 3.0, "spread": 1.0}}},
    }
