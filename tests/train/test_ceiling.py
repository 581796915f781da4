"""The ceiling of a simulated market, against whoever forecasts it and against its own futures."""

from dataclasses import replace

import numpy as np
import pytest

from flowsense._jit import records
from flowsense.errors import InputError
from flowsense.exchange.venue import Venue
from flowsense.features.catalogue import spec
from flowsense.forecast import Target
from flowsense.schema import DAY, EVENT, SECOND, zeros
from flowsense.simulate.bayes import Known
from flowsense.simulate.flow import SCRIPT, advance
from flowsense.simulate.hawkes import FLOW
from flowsense.simulate.latent import LATENT, Latent, Lead, hints_of, innovations, news, paths_of
from flowsense.simulate.market import CHUNK, EPOCH, Market, opening, simulate, world_of
from flowsense.simulate.markets import flow
from flowsense.simulate.saved import save
from flowsense.train import ceiling
from flowsense.train.config import RunConfig
from flowsense.train.dataset import prepare
from flowsense.train.insight import Sight
from flowsense.train.material import material
from flowsense.train.read import read
from flowsense.train.run import walk_forward

MID = Target.parse("mid@500ms")
pytestmark = pytest.mark.compiled


def run_on(folder, market, seconds, models, targets, **config):
    save(simulate(market, seconds, 3), folder)
    recording = read(folder, families=("ofi", "depth"))
    return walk_forward(recording, models=models, targets=targets, **config).metrics["models"]


@pytest.fixture
def quick(monkeypatch):
    """A map from no more than two minutes."""
    monkeypatch.setattr(ceiling, "SHORTEST", 60.0)
    monkeypatch.setattr(ceiling, "ROWS", (3_000, 3_000))


@pytest.mark.slow
def test_the_ceiling_beats_every_model_and_null_on_its_own_market(tmp_path):
    later = replace(Market.tiny(), start=EPOCH + DAY)
    save(simulate(Market.tiny(), 400, 3), tmp_path / "learn")
    save(simulate(later, 1_300, 4), tmp_path / "score")
    learn, test = (read(tmp_path / k, families=("ofi", "depth")) for k in ("learn", "score"))
    models, targets = ["antisymmetric", "xgboost"], ["mid@1s", "ofi@1s"]
    run = walk_forward(learn, models=models, tests=[test], targets=targets)
    for scores in run.metrics["models"].values():
        for score in scores.values():
            best = score["ceiling"]
            low, _ = best["difference"]["log_loss"]  # model less ceiling
            assert low > 0 and 0 < score["share_of_skill"] < 1
            nulls = [n for k, n in score["nulls"].items() if n["log_loss"] is not None]
            assert best["log_loss"] < min(n["log_loss"] for n in nulls)
            assert best["accuracy"] > max(n["accuracy"] for n in score["nulls"].values())


@pytest.mark.slow
def test_without_anything_planted_there_is_no_skill_to_have(tmp_path):
    market = flow(branching=0.0)
    (scores,) = run_on(tmp_path / "m", market, 240, ["imbalance"], ["ofi@500ms", "mid@1s"]).values()
    assert scores["ofi@500ms"]["share_of_skill"] == "no skill to have"
    losses = [scores["ofi@500ms"][k]["log_loss"] for k in ("ceiling",)]
    assert losses[0] == pytest.approx(
        scores["ofi@500ms"]["nulls"]["majority"]["log_loss"], abs=0.03
    )


@pytest.mark.slow
def test_excited_flow_has_a_ceiling_that_is_exact(tmp_path):
    (scores,) = run_on(tmp_path / "m", flow(), 900, ["imbalance"], ["ofi@500ms"]).values()
    score = scores["ofi@500ms"]
    assert score["ceiling"]["accuracy"] > 0.64 and isinstance(score["share_of_skill"], float)


@pytest.mark.slow
def test_a_size_has_no_ceiling_and_a_direction_has_one(tmp_path, quick):
    targets = ["mid@500ms", "magnitude@500ms"]
    (scores,) = run_on(tmp_path / "m", Market.tiny(), 200, ["majority"], targets).values()
    assert scores["magnitude@500ms"]["ceiling"] is None
    assert scores["mid@500ms"]["ceiling"]["log_loss"] < scores["mid@500ms"]["log_loss"]


def material_of(folder, targets=(MID,)):
    recording = read(folder, families=("spread",))
    data = prepare(recording.source, spec(("spread",)), targets)
    return material(data, (), RunConfig(("majority",), targets=targets))


@pytest.mark.slow
def test_the_ceiling_repeats_and_knows_less_without_what_is_hidden(tmp_path, quick):
    save(simulate(Market.tiny(), 240, 3), tmp_path / "m")
    of = material_of(tmp_path / "m")
    one, again, less = (ceiling.ceiling(of, hidden=h) for h in (True, True, False))
    test = of.folds[0].test[:, 0] & of.labels.valid[:, 0]
    assert np.array_equal(one.proba, again.proba) and one.ready[test].all()
    y = of.labels.y[test, 0].astype(int)
    loss = [-np.log(f.proba[test, 0][np.arange(len(y)), y]).mean() for f in (one, less)]
    assert loss[0] < loss[1]


def test_without_a_truth_there_is_no_ceiling(tmp_path):
    save(simulate(Market.tiny(), 200, 3), tmp_path / "m")
    of = material_of(tmp_path / "m")
    (tmp_path / "m" / "truth.json").unlink()
    assert ceiling.ceiling(of) is None


def test_the_truth_of_another_day_is_refused(tmp_path, quick):
    save(simulate(Market.tiny(), 200, 3), tmp_path / "m")
    of = material_of(tmp_path / "m")
    save(simulate(replace(Market.tiny(), start=EPOCH + 10**15), 200, 3), tmp_path / "other")
    for name in ("truth.json", "truth.npz"):
        (tmp_path / "other" / name).replace(tmp_path / "m" / name)
    with pytest.raises(InputError, match="of another time than the rows"):
        ceiling.ceiling(of)


class World:
    """A market that can be stopped, and gone on with in many ways: the exact answer."""

    def __init__(self, market, seconds, seed):
        self.market, self.rng = market, np.random.default_rng(seed)
        self.span = (market.start, market.start + seconds * SECOND)
        self.told = news(self.rng, market.latent, market.instruments, self.span)
        self.venue = Venue(market.instruments, market.capacity, wire_ns=market.wire_ns)
        opening(market, self.venue)
        self.flow = zeros(FLOW, market.instruments)
        self.flow["at"], self.flow["next"] = self.span
        self.arrays = (self.flow, self.venue.engines, self.venue.levels, self.venue.orders)

    def path(self, told):
        return paths_of(told, self.market.leads, self.market.prices(), self.span)

    def go_on(self, arrays, latent, start, end):
        flow, *books = arrays
        world = world_of(self.market, end)
        world["begin"], flow["next"] = start, end
        here = latent[(latent["ts"] >= start) & (latent["ts"] < end)]
        now = zeros(LATENT, len(flow))
        now["ts"], now["instrument"], now["state"] = start, np.arange(len(flow)), flow["state"]
        now["price"] = flow["price"] if flow["price"].any() else self.market.prices()
        hidden = (records(np.concatenate([now, here]).view(LATENT)), records(zeros(SCRIPT)))
        out = zeros(EVENT, CHUNK)
        loop = records(world), records(flow), tuple(map(records, books)), hidden, records(out)
        while advance(*loop, self.rng):
            pass
        flow["excess"] *= np.exp(-self.market.hawkes().beta * (end - flow["at"])[:, None] * 1e-9)
        flow["at"] = end

    def fork(self, at):
        """News as it was until then, and other news from then on."""
        path, own = self.told
        later = []
        for ts, moves, drift in own:
            more = innovations(self.rng, self.market.latent, path, self.span[1])
            kept, new = ts < at, more[0] >= at
            parts = zip((ts, moves, drift), more, strict=True)
            later.append(tuple(np.r_[a[kept], b[new]] for a, b in parts))
        return path, later

    def mid(self, arrays, i):
        _, engines, levels, _ = arrays
        bid, ask = (levels[i, k, engines["depth"][i, k] - 1]["key"] for k in (0, 1))
        return (bid - ask) / 2


def sight_of(world, i, at):
    _, engines, levels, _ = world.arrays
    top = [levels[i, k, engines["depth"][i, k] - 2 : engines["depth"][i, k]][::-1] for k in (0, 1)]
    price = np.array([[side * level["key"] for side, level in zip((1, -1), top, strict=True)]])
    lots = np.array([[level["lots"] for level in top]])
    mid = np.array([world.mid(world.arrays, i)])
    return Sight(np.array([at]), np.array([i]), mid, price.astype(float), lots.astype(float))


@pytest.mark.slow
def test_the_map_is_close_to_the_exact_chances():
    """40 moments gone on with 100 times each: by luck two shares are 1 / 100 nats off."""
    alike = Latent(volatility=(0.9, 0.9, 0.9))
    market = Market(
        instruments=2,
        latent=alike,
        activity=(1.0, 1.0, 1.0),
        half_spread=(0.4, 0.4, 0.4),
        capacity=700,
        leads=(Lead(0, 1, 400_000_000, 0.9),),
    )
    truth, branches = simulate(market, 5, 8).truth, 100
    maps = ceiling.learned(truth, (MID,), ("interval:100ms",))
    world, at, gaps = World(market, 100, 9), market.start, []
    hints = hints_of(world.told, market.leads, market.start, market.wire_ns)
    truth = truth._replace(hints=np.sort(hints, order="ts").view(hints.dtype))
    for n in range(40):
        world.go_on(world.arrays, world.path(world.told), at, at := at + 3 * SECOND // 2)
        i, ends = n % 2, []
        for _ in range(branches):
            arrays = tuple(a.copy() for a in world.arrays)
            world.go_on(arrays, world.path(world.fork(at)), at, at + MID.horizon_ns)
            ends.append(world.mid(arrays, i) - world.mid(world.arrays, i))
        seen = np.array([(np.sign(ends) == s).mean() for s in (-1, 0, 1)])
        flows = world.flow[i : i + 1]
        see = Known(flows["price"], flows["state"], flows["excess"])
        sight = sight_of(world, i, at + market.wire_ns)
        p = ceiling.chances(truth, see, sight, (MID,), maps).proba[0, 0].astype(float)
        gaps.append((seen * np.log(np.maximum(seen, 1e-9) / p)).sum())
    assert -0.01 < np.mean(gaps) - 1 / branches < 0.06, np.mean(gaps)
