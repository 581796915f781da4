"""`serve --demo`: what it says first, what it refuses first, and that its model finds something."""

import logging
import socket
from contextlib import closing

import numpy as np
import pytest

from flowsense.cli.serve import compiling
from flowsense.schema import Chunk
from flowsense.serve import showing
from flowsense.serve.decisions import Decisions
from flowsense.simulate.market import simulate
from flowsense.sources import NO_BARS, NO_OBSERVATIONS
from flowsense.train.shelf import fitted


def test_a_port_that_is_taken_is_refused_before_anything_is_simulated(flowsense, monkeypatch):
    monkeypatch.setattr(showing, "model", None)
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        found = flowsense("serve", "--demo", "--port", str(taken.getsockname()[1]))
    assert found.code == 2 and "cannot be listened on" in found.err and ", or 0" in found.err


def test_what_is_compiled_is_told_where_it_is_asked_for(capsys):
    for _ in range(2):
        compiling()
    logging.getLogger("flowsense.compiling").info("once")
    assert capsys.readouterr().out == "once\n"


@pytest.mark.slow
def test_the_edge_of_the_demo_exceeds_its_costs_part_of_the_time(tmp_path):
    """Of what is to be acted on, the mid moves farther than the spread, on average."""
    kept = fitted(showing.model(tmp_path, 0))
    made = simulate(showing.MARKET, 300.0, 0)
    decisions = Decisions(kept.model, kept.manifest.spec, made.instruments)
    done = [*decisions.push(Chunk(made.events, NO_BARS, NO_OBSERVATIONS))]
    signals = np.concatenate([one.signals for one in done])
    acted = (signals["vetoes"] == 0) & (signals["side"] != 0)
    ready = (signals["vetoes"] & 1) == 0
    assert 0.02 < acted[ready].mean() < 0.25
    assert net(done, acted, signals["side"]).mean() > 0.5


def net(done, acted, side):
    """(n,) ticks that the mid moves to the side within a second, less the spread."""
    rows = [one.tape.rows[0] for one in done]
    who = np.concatenate([r.instrument for r in rows])
    bid, ask = (np.concatenate([r.book[f][:, 0] for r in rows]) for f in ("bid_px", "ask_px"))
    out = []
    for k in range(2):
        mine = np.flatnonzero(who == k)
        mid, later = (bid + ask)[mine] / 2, 10  # rows, 100 ms each
        move = (mid[later:] - mid[:-later]) * side[mine][:-later]
        out.append((move - (ask - bid)[mine][:-later])[acted[mine][:-later]])
    return np.concatenate(out)
