import json
from dataclasses import replace

import numpy as np
import pytest

from flowsense.errors import InputError
from flowsense.simulate.alternative import Signal
from flowsense.simulate.latent import Lead
from flowsense.simulate.market import Market, simulate
from flowsense.simulate.markets import MARKETS, composed
from flowsense.simulate.plants import Planted
from flowsense.simulate.saved import load_truth, save
from flowsense.sources import chunks, kinds_of
from flowsense.sources.open import open_source
from flowsense.store.events import read_events, read_instruments


def test_events_and_truth_come_back(small, tmp_path):
    save(small, tmp_path / "sim")
    path = tmp_path / "sim" / "events.parquet"
    assert read_instruments(path) == small.instruments
    events = np.concatenate(list(read_events(path, 3)))
    assert events.tobytes() == small.events.tobytes()
    truth = load_truth(tmp_path / "sim")
    assert (truth.market, truth.seconds, truth.seed) == small.truth[:3]
    for ours, theirs in zip(
        (*truth.hawkes, *truth[4:8]), (*small.truth.hawkes, *small.truth[4:8]), strict=True
    ):
        assert np.array_equal(ours, theirs)


def test_the_settings_can_be_read_by_a_person(small, tmp_path):
    save(small, tmp_path)
    said = json.loads((tmp_path / "truth.json").read_text())
    assert said["seed"] == 3 and said["market"]["leads"][0]["lag_ns"] == 400_000_000
    assert said["market"]["latent"]["volatility"] == [0.2, 0.4, 0.8]


def test_a_folder_of_other_things_is_not_replaced(small, tmp_path):
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(InputError, match="holds something that is not a simulation"):
        save(small, tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]


def test_what_is_no_truth_is_named(small, tmp_path):
    with pytest.raises(InputError, match="no truth of a simulation"):
        load_truth(tmp_path)
    save(small, tmp_path / "sim")
    (tmp_path / "sim" / "truth.json").write_text('{"market": {}}')
    with pytest.raises(InputError, match="sim: no truth"):
        load_truth(tmp_path / "sim")


@pytest.mark.compiled
@pytest.mark.parametrize("name", [*MARKETS, "alternative,patterns,spoofed,network"])
def test_the_truth_of_every_market_comes_back(name, tmp_path):
    made = simulate(composed(tuple(name.split(","))), 2, 1)
    save(made, tmp_path / "m")
    truth = load_truth(tmp_path / "m")
    assert truth.market == made.truth.market and truth.hints.tobytes() == made.truth.hints.tobytes()
    assert truth.planted.keys() == made.truth.planted.keys()
    for key, array in truth.planted.items():
        assert np.array_equal(array, made.truth.planted[key], equal_nan=array.dtype.kind == "f")


def test_breaks_of_a_lead_come_back(tmp_path):
    market = Market(leads=(Lead(0, 1, 5, 0.5, (3.0, 7.0)),))
    save(simulate(market, 1, 1), tmp_path / "m")
    assert load_truth(tmp_path / "m").market.leads == market.leads


def test_the_folder_is_read_with_what_was_observed(tmp_path):
    plants = Signal("mood", every_s=0.5), Signal("own", every_s=0.5, instrument=1)
    made = simulate(replace(Market.tiny(), plants=plants), 20, 1)
    save(made, tmp_path / "m")
    source = open_source(tmp_path / "m")
    events, _, seen = (np.concatenate(x) for x in zip(*chunks(source), strict=True))
    assert set(kinds_of(source)) == {"mood", "own"} and len(seen) > 60
    assert [i.symbol for i in source.instruments] == ["SIMA", "SIMB", "SIMC"]
    assert np.array_equal(np.sort(events), np.sort(made.events))
    assert np.array_equal(np.sort(seen), np.sort(made.observations))
    assert (np.diff(seen["ts_recv"]) >= 0).all()


def test_a_plant_of_somebody_else_cannot_be_kept(small, tmp_path):
    class Mine:
        def plan(self, rng, stage):
            return Planted({})

    market = replace(small.truth.market, plants=(Mine(),))
    with pytest.raises(InputError, match="is none of Pattern, Spoofer, Signal, Arbitrage"):
        save(simulate(market, 1, 1), tmp_path / "m")
    assert not (tmp_path / "m").exists()
