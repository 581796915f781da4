from itertools import pairwise

import numpy as np
import pytest
from toys import Ewma

from flowsense.engine import Engine
from flowsense.errors import InputError
from flowsense.features.catalogue import spec
from flowsense.features.fold import Fold
from flowsense.forecast import UP, Target

SPEC = spec(("ofi", "flow"), ("interval:100ms", "interval:1s"))
MODEL = Ewma(Target("mid", 500_000_000), SPEC.columns.index("ofi_l1_1s"), slope=0.05)


def engine(instruments, model=MODEL):
    return Engine(SPEC, instruments, model)


def ups(pairs):
    return np.concatenate([forecast.proba[:, 0, UP] for _, forecast in pairs])


def test_events_become_forecasts(instruments, events):
    up = ups(engine(instruments).push(events))
    assert len(up) > 100 and np.ptp(up) > 0.1


@pytest.mark.parametrize("size", [1, 50, 10_000])
def test_all_that_is_pushed_comes_out_in_tapes(instruments, events, size):
    live, some = engine(instruments), events[:1_500]
    pieces = (some[a : a + size] for a in range(0, len(some), size))
    told = [tape.events for piece in pieces for tape, _ in live.push(piece)]
    assert np.concatenate(told).tobytes() == some.tobytes()


def test_pieces_and_restarts_give_the_same_forecasts(instruments, events):
    whole, cut = ups(engine(instruments).push(events)), [0, 1, 700, 701, 2_000, len(events)]
    live, got = engine(instruments), []
    for a, b in pairwise(cut):
        got += list(live.push(events[a:b]))
        saved, live = live.snapshot(), engine(instruments)
        live.restore(saved)
    assert ups(got).tobytes() == whole.tobytes()


def test_a_snapshot_of_another_model_is_refused(instruments):
    saved = engine(instruments).snapshot()
    with pytest.raises(InputError, match="snapshot of"):
        engine(instruments, Ewma(MODEL.target, slope=0.5)).restore(saved)


@pytest.mark.parametrize("others", [slice(1), slice(None, None, -1)])
def test_a_snapshot_of_other_instruments_is_refused(instruments, others):
    saved = engine(instruments).snapshot()
    with pytest.raises(InputError, match="snapshot of"):
        engine(instruments[others]).restore(saved)
    with pytest.raises(InputError, match="of other instruments"):
        Fold(SPEC, instruments[:1]).restore(Fold(SPEC, instruments).snapshot())


def test_an_event_before_the_last_that_was_pushed_is_refused(instruments, events):
    live = engine(instruments)
    list(live.push(events[:500]))
    with pytest.raises(InputError, match="in order"):
        list(live.push(events[:1]))


def test_an_event_of_an_unknown_instrument_is_refused(instruments, events):
    with pytest.raises(InputError, match="instrument 1"):
        list(engine(instruments[:1]).push(events))
