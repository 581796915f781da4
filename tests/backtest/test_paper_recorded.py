"""A recorded market on paper: left often, reconciled at every push, traded as in one go."""

import numpy as np
import pytest
from papers import OFTEN, TWO, opened

from flowsense.backtest.arms import Arms
from flowsense.backtest.consumed import ahead
from flowsense.backtest.pace import divided
from flowsense.schema import NEVER
from flowsense.sources import chunks
from flowsense.sources.open import open_source

PLACE = "binance_ws_raw/usdm_btcusdt_20240808.jsonl.zst"
EVENTS = 15_000


def beginning(source):
    """The first chunks."""
    n = 0
    for chunk in chunks(source):
        yield chunk
        n += len(chunk.events)
        if n >= EVENTS:
            return


@pytest.mark.slow
@pytest.mark.compiled
def test_a_recording_is_traded_the_same_wherever_it_was_left(data, tmp_path):
    source, rng = open_source(data / PLACE), np.random.default_rng(0)
    arms = Arms(TWO, source.instruments)
    for chunk in beginning(source):
        arms.push(chunk)
    for left in (5, 9, NEVER):
        paper, n = opened(tmp_path / "paper", source, TWO, OFTEN), 0
        assert paper.recovery.differences == paper.recovery.notes == ()
        for rest in ahead(beginning(source), paper.position):
            while any(map(len, rest)) and n < left:
                piece, rest = divided(rest, NEVER, int(rng.integers(1, 2_000)))
                paper.push(piece)
                n += 1
                assert not any(arm["differences"] for arm in paper.status()["arms"].values())
            if n >= left:
                break
        found = paper.results() if left == NEVER else {}
        paper.let_go()
    for name, expected in arms.results().items():
        assert found[name].fills.tobytes() == expected.fills.tobytes()
        assert found[name].marks.tobytes() == expected.marks.tobytes()
        assert found[name].config == expected.config
