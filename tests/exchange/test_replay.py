"""The rules of the replayed venue, each as an example that a person can check."""

from exchange.replays import Client, level, traded


def test_an_order_waits_behind_the_lots_displayed_when_it_came():
    client = Client()
    mine = client.limit(1, 99, 5)
    client.market(traded(-1, 99, 8), level(1, 99, 2))
    assert client.fills() == []
    client.market(traded(-1, 99, 4), level(1, 99, 0))
    assert client.fills() == [(mine, 99, 2, 3)]


def test_cancels_do_not_move_a_risk_averse_order_until_they_must():
    client = Client()
    mine = client.limit(1, 99, 5)
    client.market(level(1, 99, 30))
    client.market(level(1, 99, 12))
    client.market(traded(-1, 99, 10), level(1, 99, 2))
    assert client.fills() == []
    client.market(level(1, 99, 1), traded(-1, 99, 1), level(1, 99, 0))
    assert client.fills() == [(mine, 99, 1, 4)]
