import numpy as np
import pytest

from flowsense.features.catalogue import spec
from flowsense.features.pairs import LAGS
from flowsense.model.graph import typed
from flowsense.model.graph.typed import (
    ARBITRAGE,
    BASIS,
    COMING,
    CORRELATION,
    HERE,
    LAG,
    LEAD,
    LIQUIDITY,
    NEAR,
    SAID,
    SLOTS,
    TOGETHER,
    Told,
    graph,
    hear,
    names,
)
from flowsense.schema import QUOTE, WHOLE
from flowsense.testing.network import STEP, Led, heard, instruments, news, returns

NO_WORDS = np.zeros(0, np.int64)
LEADS = (Led(0, 1, 3, 0.7), Led(2, 3, 8, -0.5))


def followed(moves, table=None, words=None):
    """What is remembered after these moves (n, K), words (n, K, S) of strategies beside them."""
    n, k = moves.shape
    words = np.zeros((n, k, 0)) if words is None else words
    told, quote = Told.empty(k, words.shape[2]), np.zeros((n, k), QUOTE)
    quote["state"], quote["mid2"] = WHOLE, 200_000 + 2 * np.cumsum(moves, axis=0)
    for i in range(n):
        hear(told, (i + 1) * STEP, np.arange(k), quote[i], words[i])
    return told, names(table or instruments(k))


@pytest.mark.compiled
def test_each_hears_itself_its_ties_and_its_exchange():
    told, known = followed(returns(5, 1_000, LEADS))
    index, edge = graph(told, known)
    assert index.shape == (6, SLOTS) and edge[..., HERE].sum() == 1 + 5 + 5 * 2 + 4
    assert index[2, [0, 1, NEAR + 1]].tolist() == [2, 1, 0]  # node 2 is asset 1, led by asset 0
    e = edge[2, 1]
    assert e[LEAD] > 0.5 and e[LAG] == np.float32(3 / LAGS) and e[CORRELATION] == 1
    assert edge[5, 1:NEAR].sum() == 0 and edge[5, NEAR + 1, LIQUIDITY] == pytest.approx(
        0.2, abs=0.01
    )
    assert sorted(index[0, 1:6].tolist()) == [1, 2, 3, 4, 5]
    assert edge[0, 1:6, LIQUIDITY].sum() == pytest.approx(1)


@pytest.mark.compiled
def test_what_arrives_is_the_beta_of_the_moves_that_have_not_by_when():
    """Of lag 8, moves of age 0 .. 7 arrive in 8 .. 1 rows: in 2 are those of age 6 and 7."""
    moves = returns(4, 1_500, LEADS, seed=2)
    told, known = followed(moves)
    index, edge = graph(told, known)
    assert index[4, 1] == 3
    scale = moves[:, 3].std()
    due = -0.5 * moves[:-11:-1, 2] / scale
    found = edge[4, 1, COMING:]
    assert found == pytest.approx([due[6:8].sum(), due[3:6].sum(), due[:3].sum()], abs=0.4)


def test_a_symbol_at_two_exchanges_is_an_arbitrage_edge_with_its_basis():
    table = instruments(3)
    table = (*table[:2], table[0]._replace(venue="elsewhere"))
    moves = returns(3, 800)
    moves[:, 2] = moves[:, 0]
    moves[-1, 2] += 300  # it has left the other behind
    told, known = followed(moves, table)
    index, edge = graph(told, known)
    assert known.exchanges == 2 and index[4, 1] == 2  # nodes: 2 exchanges, then assets
    assert edge[4, 1, ARBITRAGE] == 1 and edge[4, 1, TOGETHER] > 0.8
    assert edge[4, 1, BASIS] > 1 and edge[2, 1, BASIS] < -1
    assert not edge[3, 1:NEAR, ARBITRAGE].any()
    first, _ = graph(Told.empty(3, 0), known)
    assert first[4, 1] == 2  # before anything has happened


@pytest.mark.compiled
def test_only_the_closest_are_heard_where_many_are_tied():
    own = news(13, 600)
    own[:, 1:] += own[:, :1] * np.linspace(0.3, 2, 12)
    index, edge = graph(*followed(np.rint(20 * own)))
    assert index[1, 1 : NEAR + 1].tolist() == list(range(13, 5, -1))  # the closest first
    assert edge[1, 1 : NEAR + 1, HERE].all()


@pytest.mark.compiled
def test_another_order_of_instruments_is_another_order_of_nodes():
    moves, turn = returns(6, 700, LEADS), np.array([3, 0, 5, 1, 4, 2])
    index, edge = graph(*followed(moves))
    table = tuple(instruments(6)[i] for i in turn)
    other, there = graph(*followed(moves[:, turn], table))
    node = np.r_[0, turn + 1]
    for row in range(1, 7):
        here = edge[node[row], 1 : NEAR + 1, HERE] > 0
        told = index[node[row], 1 : NEAR + 1][here]
        assert node[other[row, 1 : NEAR + 1]][here].tolist() == told.tolist()
        assert there[row].tobytes() == edge[node[row]].tobytes()


def test_a_strategy_is_a_node_whose_words_are_on_its_edges():
    """The first knows the next move, the second does not."""
    moves = returns(2, 500)
    words = np.stack([np.sign(np.roll(moves, -1, axis=0)), np.sign(news(2, 500, 9))], axis=-1)
    index, edge = graph(*followed(moves, words=words))
    assert index.shape == (1 + 2 + 2, SLOTS + 2)
    assert index[3, SLOTS:].tolist() == [1, 2]
    assert edge[3, SLOTS, TOGETHER] > 0.6 > 0.2 > abs(edge[3, SLOTS + 1, TOGETHER])
    assert edge[3:, SLOTS, SAID].tolist() == words[-1, :, 0].tolist()


def test_words_of_strategies_are_columns_named_so():
    columns = spec(("ofi", "observed:forecast/a", "observed:vix"))
    assert [columns.columns[j] for j in typed.strategies(columns)] == ["forecast/a"]


def test_who_has_no_row_is_remembered_and_keeps_its_edges():
    told, known = followed(heard(20 * news(3, 400), LEADS[:1]).round())
    before = graph(told, known)[1][2, 1, LEAD]
    quote = np.zeros(2, QUOTE)
    quote["state"], quote["mid2"] = WHOLE, 200_000
    hear(told, 401 * STEP, np.array([0, 2]), quote, np.zeros((2, 0)))
    assert np.isnan(told.node["past"][1, 0])
    assert graph(told, known)[1][2, 1, LEAD] == before


def test_one_instrument_is_a_graph():
    index, edge = graph(*followed(returns(1, 200)))
    assert index.shape == (2, SLOTS) and edge[..., HERE].sum() == 4
