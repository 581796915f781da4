"""How much of a smoothed label its past gives away, and that this is told beside every score."""

from typing import NamedTuple

import numpy as np
import pytest
from touches import MS, label, walk

from flowsense.evaluate.classes import macro_f1
from flowsense.evaluate.results import Score
from flowsense.evaluate.sample import Index, sample
from flowsense.evaluate.score import evaluate
from flowsense.evaluate.tally import mean_defined
from flowsense.evaluate.walk import Moves, alone, called, edge, past_mean, redrawn, signal, walks
from flowsense.forecast import Forecast, Target
from flowsense.labels.path import Path

SMOOTHED, MID = Target.parse("smoothed@1s"), Target.parse("mid@1s")


class Fold(NamedTuple):
    train: np.ndarray
    choose: np.ndarray
    test: np.ndarray


class World(NamedTuple):
    labels: object
    index: Index
    folds: tuple[Fold, ...]
    moves: Moves


def world(quotes, targets=(SMOOTHED,)):
    """Rows every 300 ms, of which the last half is scored."""
    ts = np.arange(2_000 * MS, int(quotes["ts"][-1]) - 2_000 * MS, 300 * MS)
    labels, who = label(targets, quotes, ts), np.zeros(len(ts), np.int64)
    part = np.repeat((np.arange(len(ts)) / len(ts))[:, None], len(targets), axis=1)
    fold = Fold(part < 0.4, (part >= 0.4) & (part < 0.5), part >= 0.5)
    return World(labels, Index(ts, who, ("A",)), (fold,), Moves(ts, who, quotes))


def dense(n=60_000, seed=0):
    """A driftless walk that moves every 10 ms or so."""
    return walk(n, seed, every=10 * MS, wild=False)


@pytest.fixture(scope="module")
def noise():
    return world(dense(), (SMOOTHED, MID))


def of(w, t=0):
    return sample(w.labels, w.index, w.folds, t, 0)


def f1(y, p):
    counts = np.zeros((3, 3), np.int64)
    np.add.at(counts, (y.astype(int), p.argmax(axis=1)), 1)
    return float(macro_f1(counts))


def test_noise_is_skill_by_a_smoothed_label_and_chance_by_an_anchored_one(noise):
    """EVIDENCE: one threshold on mid - past mean, on a driftless random walk."""
    smoothed, mid = of(noise), of(noise, 1)
    rule = past_mean(smoothed, [noise.moves])
    on_mid = past_mean(mid, [noise.moves])
    assert f1(smoothed.y, rule.p) > 0.5
    assert f1(mid.y, on_mid.p) == pytest.approx(1 / 3, abs=0.04)


def test_walks_of_a_walk_score_what_it_does_itself(noise):
    smoothed = of(noise)
    itself = f1(smoothed.y, past_mean(smoothed, [noise.moves]).p)
    found = [f1(told.y, rule.p) for told, rule in walks(smoothed, [noise.moves], seed=1)]
    assert len(found) == 50 and np.std(found) > 0
    assert np.mean(found) == pytest.approx(itself, abs=0.03)


def test_walks_are_the_same_for_a_seed_and_others_for_another(noise):
    first = [next(walks(of(noise), [noise.moves], seed))[0].move for seed in (1, 1, 2)]
    assert np.array_equal(first[0], first[1]) and not np.array_equal(first[0], first[2])


def test_a_walk_keeps_when_the_mid_moved_and_how_far():
    path = alone(Path.of(walk(500, 3)))
    drawn = redrawn(path, np.random.default_rng(0))
    assert np.array_equal(np.abs(np.diff(drawn.mid2)), np.abs(np.diff(path.mid2)))
    assert np.array_equal(drawn.ts, path.ts) and np.array_equal(drawn.breaks, path.breaks)
    up = np.diff(drawn.mid2)[np.diff(path.mid2) > 0] > 0
    assert 0.4 < up.mean() < 0.6


def test_the_signal_is_the_mid_less_its_past_mean_in_every_recording():
    """Two recordings behind each other; the second stands 2 ticks up for half of the horizon."""
    still, jump = (walk(3, wild=False) for _ in range(2))
    for quotes, mids in ((still, (200, 200, 200)), (jump, (200, 204, 204))):
        quotes["ts"], quotes["mid2"] = np.array([1, 4_500, 9_000]) * MS, mids
    ts, who = np.array([5_000 * MS]), np.zeros(1, np.int64)
    w = world(dense(3_000))
    moves = [Moves(ts, who, still), Moves(ts, who, jump)]
    assert signal(of(w), np.array([0, 1]), moves).tolist() == [0, pytest.approx(1.0)]
    assert signal(of(w), np.array([1]), moves).tolist() == [pytest.approx(1.0)]


def test_calls_are_flat_within_the_edge_and_surer_farther_out():
    x = np.array([-3.0, -1.0, 0.0, 0.5, 2.0])
    p = called(x, edge(x, 0.5))  # half lie within 1
    assert p.argmax(axis=1).tolist() == [0, 1, 1, 1, 2]
    assert np.allclose(p.sum(axis=1), 1) and (np.diff(p[:, 2] - p[:, 0])[[0, 3]] > 0).all()
    assert edge(x[:0], 0.5) == 0.0


def forecast(w, x):
    shape = (len(w.labels.y), len(w.labels.targets))
    p = np.repeat(called(x, 0.2)[:, None], shape[1], axis=1).astype("f4")
    value = np.repeat(x[:, None], shape[1], axis=1).astype("f4")
    return Forecast(w.labels.targets, p, value, np.ones(shape, np.bool_))


@pytest.fixture(scope="module")
def scored(noise):
    """A model that reads the place of the mid and knows nothing of the future."""
    rows = np.arange(len(noise.labels.y))
    model = forecast(noise, signal(of(noise), rows, [noise.moves]))
    return evaluate(*noise[:3], {"fool": (model,)}, {}, moves=[noise.moves])


def test_every_score_of_a_smoothed_label_stands_beside_its_random_walk(scored):
    fool, mid = (scored.models["fool"][str(t)] for t in (SMOOTHED, MID))
    assert isinstance(fool, Score) and fool.accuracy > 0.7
    assert {"past_mean", "random_walk"} <= set(fool.nulls)
    assert not {"past_mean", "random_walk"} & set(mid.nulls)
    null = fool.nulls["random_walk"]
    assert null.accuracy == pytest.approx(fool.accuracy, abs=0.03)
    assert null.log_loss is None and null.macro_f1 > 0.5
    for key in ("accuracy", "macro_f1"):
        low, high = null.difference[key]
        assert low < 0.03 and high > -0.03 and low < high
    assert fool.nulls["past_mean"].difference["accuracy"] == (0.0, 0.0)  # the same calls


def test_a_reader_is_told_what_the_label_gives_away(noise, scored):
    (said,) = [w for w in scored.warnings if "random walk" in w]
    null = scored.models["fool"]["smoothed@1s"].nulls["random_walk"]
    assert said.startswith("smoothed@1s: for comparison only")
    assert f"{null.accuracy:.3f} (macro F1 {null.macro_f1:.3f})" in said
    blind = evaluate(*noise[:3], {"fool": (forecast(noise, np.zeros(len(noise.labels.y))),)}, {})
    assert any(w.startswith("smoothed@1s: ") and "only the quotes" in w for w in blind.warnings)
    assert "random_walk" not in blind.models["fool"]["smoothed@1s"].nulls


@pytest.mark.slow
def test_a_minute_of_a_smoothed_label_raises_no_alarm():
    """Above .60 a minute ahead is a leak of a mid; of a smoothed label it is the label itself."""
    targets = tuple(map(Target.parse, ("smoothed@1m", "barrier@1m")))
    w = world(walk(20_000, 0, every=100 * MS, wild=False), targets)
    model = forecast(w, signal(of(w), np.arange(len(w.labels.y)), [w.moves]))
    found = evaluate(*w[:3], {"fool": (model,)}, {}, moves=[w.moves])
    assert found.models["fool"]["smoothed@1m"].accuracy > 0.6
    assert not any("look for a leak" in warning for warning in found.warnings)


@pytest.mark.parametrize("seed", range(3))
def test_sparse_moves_give_more_away(seed):
    """Where the mid rests for long, a past mean that it has left is nearly the whole answer."""
    sparse = walk(3_000, seed, every=400 * MS, wild=False)
    found = [mean_of(world(q)) for q in (dense(20_000, seed), sparse)]
    assert found[1] > found[0] > 0.5


def mean_of(w):
    return mean_defined([f1(told.y, rule.p) for told, rule in walks(of(w), [w.moves], 0)])
