"""Planted things are really there: statistics of the feed and the latent paths find them."""

from dataclasses import replace

import numpy as np
import pytest

from flowsense.errors import InputError
from flowsense.exchange.matching import LIMIT, WITHDRAW
from flowsense.schema import ADD, CANCEL, EVERY, SECOND, TRADE, kind_of
from flowsense.simulate.alternative import Signal
from flowsense.simulate.arbitrage import Arbitrage
from flowsense.simulate.latent import Latent
from flowsense.simulate.market import EPOCH, Market, simulate
from flowsense.simulate.markets import MARKETS, arbitrage, breaks, composed, network, trends
from flowsense.simulate.plants import Pattern, Spoofer, apart, in_time, stood

QUIET = Market(instruments=1, leads=(), latent=Latent(volatility=(0.05, 0.05, 0.05)), attention=1.0)


def planted(*plants, seconds=200, seed=1, base=QUIET):
    return simulate(replace(base, plants=plants), seconds, seed)


def latent_at(simulation, ts, instrument=0):
    """Efficient price at these times of the venue's clock."""
    mine = simulation.truth.latent[simulation.truth.latent["instrument"] == instrument]
    return mine["price"][np.searchsorted(mine["ts"], ts, "right") - 1]


def mid_at(rebuild, simulation, ts):
    rows, _ = rebuild(simulation.events, 0)
    return (rows[:, 1] + rows[:, 2])[np.searchsorted(rows[:, 0], ts) - 1] / 2


@pytest.mark.slow
@pytest.mark.compiled
@pytest.mark.parametrize("seen", ["trades", "book"])
def test_the_mid_moves_when_a_pattern_says_and_not_before(rebuild, seen):
    made = planted(Pattern(lag_s=4.0, ticks=5.0, every_s=8.0, seen=seen), seconds=600)
    ts, _, side = made.truth.planted["0.signs"].T
    kept = ts < EPOCH + 590 * SECOND
    ts, side = ts[kept], side[kept]
    moments = (ts - SECOND, ts + 39 * SECOND // 10, ts + 7 * SECOND)
    before, then, after = (mid_at(rebuild, made, t) for t in moments)
    moved, early = side * (after - then), side * (then - before)
    assert len(ts) > 40
    assert abs(moved.mean() - 5) < 4 * moved.std() / np.sqrt(len(ts)) + 0.5
    assert abs(early.mean()) < 4 * early.std() / np.sqrt(len(ts)) + 0.2


@pytest.mark.compiled
def test_a_burst_is_trades_of_one_side():
    made = planted(Pattern(orders=12, every_s=15.0), seconds=60)
    trades = made.events[made.events["action"] == TRADE]
    acts = made.truth.planted["0.acts"]
    for ts, _, side in made.truth.planted["0.signs"]:
        own = acts[(acts >= ts) & (acts <= ts + SECOND // 2)]
        mine = trades[np.isin(trades["ts_event"], own)]
        assert len(mine) == 12 and (mine["side"] == side).all()


@pytest.mark.compiled
def test_a_spoofer_places_layers_and_takes_them_back():
    made = planted(Spoofer(every_s=10.0, layers=3, lots=77), seconds=60)
    events = made.events[made.events["lots"] == 77]
    spoofs = made.truth.planted["0.spoofs"]
    placed, gone = (events[events["action"] == a] for a in (ADD, CANCEL))
    assert len(spoofs) > 2 and len(placed) == 3 * len(spoofs)
    for start, end, _, side in spoofs[:-1]:
        here = placed[(placed["ts_event"] >= start) & (placed["ts_event"] <= start + 3)]
        assert (here["side"] == side).all() and len(np.unique(here["price"])) == 3
        back = gone[np.isin(gone["order_id"], here["order_id"])]
        assert len(back) and (back["ts_event"] <= end + 3).all()


@pytest.mark.compiled
def test_rates_multiply_to_one_but_for_planted_cycles():
    made = simulate(arbitrage(4), 300, 2)
    pairs, cycles = (made.truth.planted[f"0.{k}"] for k in ("pairs", "cycles"))
    at = np.arange(EPOCH + SECOND, EPOCH + 299 * SECOND, SECOND // 7)
    logs = np.stack([np.log(latent_at(made, at, k) * 1e-4) for k in range(6)])
    of = {tuple(pair): k for k, pair in enumerate(pairs.tolist())}
    off = logs[of[0, 1]] + logs[of[1, 2]] - logs[of[0, 2]]
    inside = np.zeros(len(at), bool)
    for start, end, k, _ in cycles:
        if k in (of[0, 1], of[1, 2], of[0, 2]):
            inside |= (at >= start) & (at < end)
    assert len(cycles) > 3 and inside.any()
    assert np.abs(off[~inside]).max() < 1e-12 and np.abs(off[inside]).min() > 1e-3
    assert [i.symbol for i in made.instruments[:2]] == ["A/B", "A/C"]


@pytest.mark.compiled
def test_a_correlation_breaks_when_it_is_said_to():
    made = simulate(breaks((100.0, 200.0)), 300, 3)
    at = EPOCH + np.arange(1, 1500) * (SECOND // 5)
    a, b = (np.diff(latent_at(made, at, k)) for k in (0, 1))
    third = (at[1:] - EPOCH) // (100 * SECOND)
    found = [np.corrcoef(a[third == k], b[third == k])[0, 1] for k in range(3)]
    assert found[0] > 0.85 and abs(found[1]) < 0.2 and found[2] > 0.85
    vol = [b[third == k].std() / a[third == k].std() for k in range(3)]
    assert all(0.8 < v < 1.25 for v in vol)


@pytest.mark.slow
@pytest.mark.compiled
def test_regimes_drift_as_they_are_said_to():
    made = simulate(trends(), 3_000, 4)
    path, latent = made.truth.latent, made.truth.market.latent
    step, state = np.diff(path["price"]), path["state"][:-1]
    seconds = np.diff(path["ts"]) / SECOND
    for k, (drift, vol) in enumerate(zip(latent.drift, latent.volatility, strict=True)):
        total = seconds[state == k].sum()
        assert abs(step[state == k].sum() / total - drift) < 4 * vol / np.sqrt(total) + 0.05


@pytest.mark.compiled
def test_a_useful_signal_foretells_and_a_useless_one_does_not():
    plants = Signal("good", delay_s=0.1, lead_s=3.0), Signal("bad", worth=0.0, lead_s=3.0)
    made = planted(*plants, seconds=2_000)
    slopes = []
    for k in (0, 1):
        told, at = (made.truth.planted[f"{k}.{n}"] for n in ("told", "told_at"))
        kept = at[:, 3] < EPOCH + 1_999 * SECOND
        t, value = at[kept, 3], told[kept, 1]
        move = latent_at(made, t) - latent_at(made, t - 1)
        slopes.append((move @ value) / (value @ value))
    assert abs(slopes[0] - 1 / (1 + 0.5**2)) < 0.06 and slopes[1] == 0


@pytest.mark.compiled
def test_late_and_revised_observations_come_in_the_order_in_which_they_were_known():
    made = planted(Signal("s", every_s=1.0, late=0.2, revised=0.3), seconds=500)
    seen = made.observations
    told, at = (made.truth.planted[f"0.{n}"] for n in ("told", "told_at"))
    assert (np.diff(seen["ts_recv"]) >= 0).all() and (np.diff(seen["ts_event"]) < 0).any()
    assert (seen["ts_recv"] > seen["ts_event"]).all() and set(seen["instrument"]) == {EVERY}
    n = len(at)
    assert abs(told[:, 3].mean() - 0.2) < 4 * np.sqrt(0.16 / n)
    assert abs((at[:, 2] > 0).mean() - 0.3) < 4 * np.sqrt(0.21 / n)
    again = at[:, 2] > 0
    errors = [np.abs(told[again, k] - told[again, 0]).mean() for k in (1, 2)]
    assert errors[1] < errors[0] and made.kinds == ("s",)
    assert set(seen["kind"].tolist()) == {kind_of("s")}


def test_hints_of_a_signal_are_the_posterior_mean():
    """One prior of variance 1, noise 1: half of what is seen. Then 4 more of precision."""
    signal = Signal(noise=1.0)
    told = np.array([[0.0, 3.0, np.nan, 0], [0.0, 3.0, 6.0, 0]])
    first, both, again = signal.expected(told)
    assert first.tolist() == [1.5, 1.5] and again.tolist() == [False, True]
    assert both[1] == pytest.approx((3 + 4 * 6) / (1 + 1 + 4))


def test_a_signal_without_noise_is_its_own_posterior_mean():
    told = np.array([[2.0, 2.0, np.nan, 0]])
    first, both, _ = Signal(noise=0.0).expected(told)
    assert first.tolist() == both.tolist() == [2.0]


@pytest.mark.compiled
def test_hints_foretell_the_moves_of_what_is_told():
    made = planted(Pattern(lag_s=2.0, ticks=3.0, every_s=5.0))
    hints, (ts, _, side) = made.truth.hints, made.truth.planted["0.signs"].T
    assert hints["ts"].tolist() == (ts + 2 * SECOND).tolist()
    assert hints["known_at"].tolist() == (ts + QUIET.wire_ns).tolist()
    assert hints["step"].tolist() == (3.0 * side).tolist()


@pytest.mark.compiled
def test_a_network_has_as_many_names_as_instruments_and_its_lags_are_found():
    market = network(100, seed=2)
    assert len({i.symbol for i in market.table()}) == 100
    assert [market.table()[k].symbol for k in (25, 26, 99)] == ["SIMZ", "SIMAA", "SIMCV"]
    made = simulate(network(6, seed=5, leaders=2.0), 400, 1)
    at = EPOCH + np.arange(1, 4_000) * (SECOND // 10)
    moves = [np.diff(latent_at(made, at, k)) for k in range(6)]
    for lead in made.truth.market.leads:
        a, b = moves[lead.leader], moves[lead.follower]
        lag = lead.lag_ns // (SECOND // 10)
        found = [np.corrcoef(a[: len(a) - k], b[k:])[0, 1] for k in (lag - 1, lag, lag + 1)]
        assert np.sign(lead.beta) * found[1] > max(0.15, *np.abs([found[0], found[2]]))


@pytest.mark.compiled
def test_a_plant_changes_no_other():
    one = planted(Pattern(every_s=3.0), seconds=20)
    two = planted(Pattern(every_s=3.0), Signal(), Spoofer(), seconds=20)
    for name in ("0.signs", "0.acts"):
        assert np.array_equal(one.truth.planted[name], two.truth.planted[name])


@pytest.mark.compiled
def test_everything_planted_is_repeated_by_its_seed():
    plants = Pattern(every_s=3.0), Signal(), Spoofer(every_s=4.0)
    one, again, other = (planted(*plants, seconds=20, seed=s) for s in (1, 1, 2))
    assert one.events.tobytes() == again.events.tobytes() != other.events.tobytes()
    assert one.observations.tobytes() == again.observations.tobytes()


@pytest.mark.compiled
def test_the_chunk_changes_nothing_with_a_script():
    market = replace(QUIET, plants=(Spoofer(every_s=3.0), Pattern(every_s=3.0)))
    whole, pieces = (simulate(market, 60, 1, chunk) for chunk in (1 << 16, 8_192))
    assert whole.events.tobytes() == pieces.events.tobytes()


def test_lines_of_a_script_know_each_other_after_sorting():
    ts = np.array([50, 10])
    lines = in_time(stood(ts, np.array([0, 0]), np.array([1, -1]), (2, 5), 20e-9), 65)
    assert lines["ts"].tolist() == [10, 30, 50] and lines["of"].tolist() == [0, 0, 2]
    assert lines["kind"].tolist() == [LIMIT, WITHDRAW, LIMIT]


def test_times_that_are_too_close_are_left_out():
    assert apart(np.array([0, 1, 3, 4, 9]) * SECOND, 2).tolist() == [0, 3 * SECOND, 9 * SECOND]


@pytest.mark.parametrize(
    ("plant", "said"),
    [
        (Pattern(seen="smoke"), "write trades or book"),
        (Pattern(lag_s=0.0), "lag_s 0.0"),
        (Pattern(instruments=(3,)), "instrument 3"),
        (Spoofer(lots=0), "lots 0"),
        (Signal(late=2.0), "late"),
        (Signal(name=""), "give it a name"),
        (Signal(every_s=-1.0), "every_s"),
        (Arbitrage(assets=4), "6 pairs"),
    ],
)
def test_a_plant_that_cannot_be_is_refused(plant, said):
    with pytest.raises(InputError, match=said):
        planted(plant, seconds=1)


def test_two_signals_need_two_names():
    with pytest.raises(InputError, match="two plants observe 'a'"):
        planted(Signal("a"), Signal("a"), seconds=1)


HEAVY = ("flow", "network")  # minutes where nothing is compiled
EACH = [pytest.param(m, marks=pytest.mark.compiled if m in HEAVY else ()) for m in MARKETS]


@pytest.mark.parametrize("name", EACH)
def test_every_market_by_name_can_be_simulated(name):
    made = simulate(composed((name,)), 1, 0)
    assert len(made.events) > 50 and len(made.instruments) == made.truth.market.instruments


def test_markets_are_composed():
    market = composed(("patterns", "trends", "alternative"), 2)
    assert len(market.latent.dwell_s) == 5 and market.instruments == 2
    assert [type(p).__name__ for p in market.plants] == ["Pattern"] * 4 + ["Signal"] * 4
    assert composed(("arbitrage",), 10).plants[0].assets == 5


@pytest.mark.parametrize(
    ("names", "n", "said"),
    [
        (("smoke",), None, "plant 'smoke': give leader, "),
        (("leader", "network"), None, "give one of them"),
        (("flow", "patterns"), None, "give one of them"),
        (("patterns", "patterns"), None, "give one of them"),
        (("arbitrage",), 7, "pairs of assets"),
        (("breaks",), 3, "breaks has 2"),
        (("network",), 101, "1 to 100"),
    ],
)
def test_what_does_not_go_together_is_refused(names, n, said):
    with pytest.raises(InputError, match=said):
        composed(names, n)
