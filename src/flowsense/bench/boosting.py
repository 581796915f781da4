"""Boosted trees: how fast they forecast beside XGBoost itself, and what a known truth shows.

The same trees are asked by XGBoost's `inplace_predict`, one booster per head and one thread, and by
ours: 20 heads (side and move of ten targets) of 100 trees of depth 5 on the default columns. The
truth of a simulated market says whether an alternative signal is worth anything, and gives rows
enough to see whether what was calibrated is so on the next block.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import xgboost as xgb
from numpy.typing import NDArray

from flowsense.bench import Result
from flowsense.evaluate.calibration import ece, ece_band
from flowsense.features.catalogue import spec
from flowsense.forecast import FLAT, UP, Target
from flowsense.model import Budget
from flowsense.model.calibrated import Calibrated
from flowsense.model.forest import planted
from flowsense.model.gather import present
from flowsense.model.instruments import Known
from flowsense.model.trees import empty
from flowsense.model.trees_read import of_xgboost
from flowsense.model.trees_shap import contributions
from flowsense.models.xgboost import Xgboost
from flowsense.simulate.alternative import Signal
from flowsense.simulate.market import Market, simulate
from flowsense.tape import Tape
from flowsense.testing import Recording, tape_of
from flowsense.train.dataset import Dataset, forecast, prepare
from flowsense.wall import Stopwatch

HORIZONS = ("100ms", "500ms", "1s", "5s", "30s")
TARGETS = tuple(Target.parse(f"{kind}@{h}") for kind in ("mid", "ofi") for h in HORIZONS)
TREES, DEPTH = 100, 5
ONE, MANY, EXPLAINED = 2_000, 20_000, 200  # rows timed alone, together, and explained
LIMIT = 0.5e-3  # seconds of one row
SIGNALS = ("news_sentiment", "social_sentiment")  # one foretells a move, one looks the same
FLOW = ("ofi", "depth", "trade", "volatility")
SEEDS = 5
MARKETS = 24  # that calibration is looked at on: of a perfect forecaster one is above its band
SECONDS = 14_400.0  # of each of them
Matrix = NDArray[np.float32]


def seconds(work: Callable[[], object], passes: int) -> NDArray[np.float64]:
    """(passes,) of each call, after one that does not count."""
    found = np.zeros(passes)
    work()
    for k in range(passes):
        watch = Stopwatch()
        with watch:
            work()
        found[k] = watch.seconds
    return found


def boosters(X: Matrix, seed: int) -> list[xgb.Booster]:
    """One per head, of noisy sums of a few columns each."""
    rng, known = np.random.default_rng(seed), np.nan_to_num(X)
    scale = known.std(axis=0) + 1e-9
    settings = {"objective": "binary:logistic", "base_score": 0.5, "max_depth": DEPTH}
    settings |= {"eta": 0.05, "max_bin": 64, "nthread": 1, "tree_method": "hist", "seed": seed}
    found = []
    for _ in range(2 * len(TARGETS)):
        some = rng.choice(X.shape[1], 8, replace=False)
        said = (known[:, some] / scale[some]).sum(axis=1) + rng.normal(0, 4, len(X))
        y = (said > np.median(said)).astype(np.float32)
        found.append(xgb.train(settings, xgb.QuantileDMatrix(X, y, max_bin=64), TREES))
    return found


def speed(seed: int = 0) -> tuple[dict[str, Any], dict[str, Any]]:
    """Ours and XGBoost's: ms of one row, rows a second together, SHAP rows a second of one head.

    Raises AssertionError where they do not say the same.
    """
    made = simulate(replace(Market.tiny(), instruments=1, leads=()), 600.0, seed)
    tape = tape_of(spec(), made.instruments, made.events)
    rows = tape.rows[0]
    X = present(rows)
    grown = boosters(X, seed)
    forest = planted([of_xgboost(bytes(b.save_raw("json"))) for b in grown])
    who = made.instruments[0]
    told = (np.array([str(t) for t in TARGETS]), np.array([who.symbol]), np.array([who.venue]))
    known = Known(*told)
    fitted = empty(known, X.shape[1])._replace(forest=forest)
    fitted.own[:] = True
    model = Xgboost(fitted=fitted)
    state, one = model.init(made.instruments), of_rows(tape, np.arange(1))
    many = of_rows(tape, np.resize(np.arange(len(X)), MANY))
    few, wide = np.ascontiguousarray(X[:1]), present(many.rows[0])

    def theirs(X: Matrix) -> NDArray[np.float32]:
        return np.stack([b.inplace_predict(X, predict_type="margin") for b in grown], axis=1)

    said = model.predict(state, many)[1].proba[:, 0, UP]
    side, move = (1 / (1 + np.exp(-m)) for m in theirs(wide)[:, [0, len(TARGETS)]].T)
    np.testing.assert_allclose(said, side * move, atol=1e-5)
    matrix = xgb.DMatrix(X[:EXPLAINED])
    each = [
        seconds(lambda: model.predict(state, one), ONE),
        seconds(lambda: theirs(few), ONE // 10),
        seconds(lambda: model.predict(state, many), 3),
        seconds(lambda: theirs(wide), 3),
        seconds(lambda: contributions(forest, forest.of(0, 1), X[:EXPLAINED]), 3),
        seconds(lambda: grown[0].predict(matrix, pred_contribs=True), 3),
    ]
    return figures(each[0], each[2], each[4]), figures(each[1], each[3], each[5])


def of_rows(tape: Tape, which: NDArray[np.int64]) -> Tape:
    return tape._replace(rows=(tape.rows[0].take(which),))


def figures(
    one: NDArray[np.float64], many: NDArray[np.float64], explained: NDArray[np.float64]
) -> dict[str, float]:
    p50, p99 = (float(1e3 * np.percentile(one, q)) for q in (50, 99))
    rates = (float(MANY / many.min()), float(EXPLAINED / explained.min()))
    names = ("rows_per_s", "shap_rows_per_s_of_one_head")
    return {"one_row_p50_ms": p50, "one_row_p99_ms": p99, **dict(zip(names, rates, strict=True))}


def market(seed: int, length: float, clock: str, target: str, families: tuple[str, ...]) -> Dataset:
    """A market with both signals, told late and revised, as rows of one target."""
    useful = Signal(SIGNALS[0], every_s=3.0, lead_s=3.0, noise=0.3)
    plants = (useful, useful._replace(name=SIGNALS[1], worth=0.0))
    made = simulate(replace(Market.tiny(), instruments=1, leads=(), plants=plants), length, seed)
    told, kinds = made.observations, made.kinds
    recording = Recording(made.instruments, made.events, observations=told, kinds=kinds)
    return prepare(recording, spec(families, (clock,)), (Target.parse(target),))


def block(data: Dataset, first: float, end: float) -> NDArray[np.bool_]:
    """(n, 1) this part of the rows, less the last of it, whose label ends in the next."""
    n = len(data.ts)
    at = np.arange(n)
    return ((at >= first * n) & (at < end * n - 60))[:, None]


def fusion(seed: int) -> dict[str, float]:
    """Log-loss by side with and without the signals, and their shares of all SHAP values."""
    found, kinds = {}, tuple(f"observed:{name}" for name in SIGNALS)
    for name, families in (("flow", FLOW), ("both", FLOW + kinds)):
        data = market(seed, SECONDS / 4, "interval:100ms", "mid@2s", families)
        fit = data.labels.to_fit(block(data, 0, 0.65), block(data, 0.65, 0.8))
        model = Xgboost().fit(data, fit, seed=seed, budget=Budget())
        p, y = forecast(model, data).proba[:, 0].astype(np.float64), data.labels.y[:, 0]
        rows = (block(data, 0.8, 1.0) & data.labels.valid)[:, 0] & (y != FLAT)
        up = p[rows, UP] / (1 - p[rows, FLAT])
        found[f"log_loss_{name}"] = float(-np.log(np.where(y[rows] == UP, up, 1 - up)).mean())
    values = next(iter(model.shap(data.spec.columns).values()))
    total = sum(mean for mean, _ in values.values())
    for which, kind in zip(("useful", "useless"), SIGNALS, strict=True):
        found[f"shap_share_{which}"] = (values[kind][0] + values[f"{kind}_age"][0]) / total
    return found


def calibration(seed: int) -> dict[str, dict[str, Any]]:
    """ECE on the block after the one it was calibrated on, of trees as they come and overgrown."""
    data, found = market(seed, SECONDS, "interval:500ms", "mid@500ms", FLOW), {}
    wild = Xgboost(rate=0.3, depth=8, smallest=1.0, unstopped=TREES)
    for name, model in (("as_they_come", Xgboost()), ("overgrown", wild)):
        stop = block(data, 0.4, 0.5) & (model is not wild)
        fit = data.labels.to_fit(block(data, 0, 0.4), stop)
        fitted = Calibrated(model).fit(data, fit, seed=seed, budget=Budget())
        raw = forecast(fitted.model, data)
        scaled = fitted.on(raw, data.labels, block(data, 0.5, 0.75), block(data, 0.75, 0.9))
        rows = (block(data, 0.9, 1.0) & data.labels.valid)[:, 0]
        y, p = data.labels.y[rows, 0].astype(np.int64), scaled.apply(raw).proba[rows, 0]
        before, after = ece(raw.proba[rows, 0].astype(float), y), ece(p.astype(float), y)
        band = ece_band(p.astype(float), seed=seed)
        assert band is not None
        found[name] = {"raw": before, "calibrated": after, "band_high": band.high}
    return found


def run() -> Result:
    """`ratio`: XGBoost's time of one row over ours; one row has to take under 0.5 ms."""
    ours, theirs = speed()
    each = [calibration(seed) for seed in range(MARKETS)]
    metrics: dict[str, Any] = {
        "heads": 2 * len(TARGETS),
        "trees": 2 * len(TARGETS) * TREES,
        "columns": len(spec().columns),
        **ours,
        "one_row_limit_ms": LIMIT * 1e3,
        "fusion": [fusion(seed) for seed in range(SEEDS)],
        "calibration": each,
        "inside_band": {
            name: sum(found[name]["calibrated"] <= found[name]["band_high"] for found in each)
            for name in each[0]
        },
        "seeds": SEEDS,
        "markets": MARKETS,
    }
    ratio = theirs["one_row_p50_ms"] / ours["one_row_p50_ms"]
    return Result("boosting", metrics, {"name": "XGBoost inplace_predict", **theirs}, ratio)
