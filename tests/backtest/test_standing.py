"""What the account believes and what its venue holds are compared order by order."""

import numpy as np
import pytest
from papers import MAKER, TWO, chunk, market, opened

from flowsense.backtest.standing import differences, standing
from flowsense.schema import NEVER

pytestmark = pytest.mark.compiled


@pytest.fixture
def paper(tmp_path):
    """A maker with orders at the venue, and others on their way."""
    made = market()
    paper = opened(tmp_path / "paper", made)
    for events in np.array_split(made.events, 100):
        paper.push(chunk(events))
    yield paper
    paper.let_go()


def told(paper):
    return differences(paper.arms.runs["maker"], paper.written["maker"].executed)


@pytest.mark.slow
def test_orders_on_their_way_are_no_difference(tmp_path):
    made, away, back = market(), 0, 0
    paper = opened(tmp_path / "paper", made, TWO)
    for events in np.array_split(made.events, 300):
        paper.push(chunk(events))
        for run in paper.arms.runs.values():
            away += len(run.venue.arrays["inbox"])
            back += len(run.venue.arrays["held"])
        assert paper.status()["arms"]["maker"]["differences"] == []
        assert paper.status()["arms"]["a coin"]["differences"] == []
    assert away > 10 and back > 10
    paper.let_go()


def test_an_order_that_the_venue_has_lost_is_told(paper):
    venue = paper.arms.runs["maker"].venue
    (k, *_) = np.flatnonzero(venue.arrays["state"]["mine"])
    order = venue.arrays["own"][k, 0, venue.arrays["state"]["mine"][k] - 1]
    venue.arrays["state"]["mine"][k] -= 1
    (said,) = told(paper)
    assert said.startswith(f"SIM{'ABC'[k]}: order {order['order_id']}: the account believes")
    assert said.endswith("the venue holds nothing")


def test_an_order_that_the_account_does_not_know_is_told(paper):
    account = paper.arms.runs["maker"].account
    account.ledger["open"] -= 1
    (said,) = told(paper)
    assert "the account believes nothing, the venue holds" in said


def test_other_lots_and_positions_are_told(paper):
    venue, account = paper.arms.runs["maker"].venue, paper.arms.runs["maker"].account
    (k, *_) = np.flatnonzero(venue.arrays["state"]["mine"])
    venue.arrays["own"]["lots"][k, 0, 0] += 7
    account.holdings["lots"][1] += 5
    order, position = told(paper)
    assert "lots at" in order
    assert position.startswith("SIMB: the account believes") and "executions come to" in position


def test_what_differs_is_said_when_a_folder_is_opened_and_in_the_status(paper):
    account = paper.arms.runs["maker"].account
    account.holdings["lots"][0] += 5
    paper.close()
    again = opened(paper.folder.path, market(), MAKER)
    (said,) = again.recovery.differences
    assert said.startswith("maker: SIMA: the account believes")
    assert again.status()["arms"]["maker"]["differences"]
    again.let_go()


def test_breakers_that_are_open_are_told(paper):
    run = paper.arms.runs["maker"]
    run.caution.desk["until"], run.caution.desk["why"] = NEVER, 128 | 256
    run.caution.seats["until"][2], run.caution.seats["why"][2] = NEVER, 8
    found = standing(run, paper.written["maker"].executed)["breakers"]
    assert found == [
        {"symbol": None, "why": ["loss", "drawdown"], "until": NEVER},
        {"symbol": "SIMC", "why": ["stale"], "until": NEVER},
    ]
