"""Orders written down before they are sent; the switch; what is found when an account is opened."""

from contextlib import closing, contextmanager
from fractions import Fraction

import pytest
from trade.counters import SYMBOL, USDM, gateway, instrument, orders

from flowsense.errors import InputError
from flowsense.replay.ledger import Placed
from flowsense.schema import SECOND
from flowsense.testing.virtual import Virtual
from flowsense.trade import Unknown
from flowsense.trade.desk import Care, Desk
from flowsense.trade.dry import Dry
from flowsense.trade.router import Leg

TABLE = (instrument(),)
WHERE = f"{USDM}:{SYMBOL}"


def leg(side=1, lots=10, price=600_100, value=600.0, fee=0.3):
    return Leg(USDM, SYMBOL, side, lots, price, lots / 1e3, value, fee)


@contextmanager
def dry(folder):
    """A desk that sends nothing."""
    with closing(Dry(USDM, folder / "sent.jsonl", 1e6)) as venue:
        desk = Desk(folder / "desk", {USDM: venue}, TABLE, clock=Virtual())
        with closing(desk):
            yield desk


def test_what_is_sent_is_held_and_paid(tmp_path):
    with dry(tmp_path) as desk:
        first, second = desk.send([leg(), leg(-1, 4, value=240.0, fee=0.1)])
        assert (first.filled, second.filled) == (10, 4)
        account = desk.account
        assert account.position(WHERE) == 6 and account.filled == 2 and not account.live
        assert account.money == pytest.approx(-600 + 240 - 0.4) and account.fees == 0.4


def test_opened_again_it_goes_on_with_other_ids(tmp_path):
    with dry(tmp_path) as desk:
        (first,) = desk.send([leg()])
    with dry(tmp_path) as desk:
        assert desk.differences == () and desk.account.position(WHERE) == 10
        (second,) = desk.send([leg()])
        assert first.id != second.id and first.id[:-1] == second.id[:-1]


def test_so_does_one_that_was_saved(tmp_path, monkeypatch):
    monkeypatch.setattr("flowsense.trade.desk.SAVED", 3)
    with dry(tmp_path) as desk:
        for _ in range(5):
            desk.send([leg()])
        before = desk.account
    with dry(tmp_path) as desk:
        assert desk.account == before and desk.account.numbers == 5


def test_an_order_that_was_never_sent_is_found_to_be_none(tmp_path):
    with dry(tmp_path) as desk:
        order = {"id": desk.account.next(), "venue": USDM, "symbol": SYMBOL}
        order |= {"side": 1, "lots": 5, "price": 600_000}
        desk.note({"do": "send", "order": order, "ts": 1})  # and then it is killed
    with dry(tmp_path) as desk:
        assert [d.why for d in desk.differences] == ["it never arrived"] and not desk.halted
        assert desk.account.refused == 1 and desk.account.numbers == 1


def test_one_that_was_sent_and_not_answered_is_taken_over(tmp_path):
    with dry(tmp_path) as desk:
        sent = desk.gateways[USDM].submit

        def killed(order):
            sent(order)
            raise KeyboardInterrupt

        desk.gateways[USDM].submit = killed
        with pytest.raises(KeyboardInterrupt):
            desk.send([leg()])
    with dry(tmp_path) as desk:
        assert desk.account.position(WHERE) == 10 and not desk.halted
        assert "told by the venue meanwhile" in desk.differences[0].told


def test_a_position_that_nobody_can_explain_halts_until_a_person_clears_it(tmp_path):
    with dry(tmp_path) as desk:
        desk.send([leg()])
    (tmp_path / "sent.jsonl").unlink()
    for _ in range(2):
        with dry(tmp_path) as desk:
            assert "position: here 10 lots, there 0 lots" in desk.halted
            assert desk.send([leg()]) == [] and desk.account.numbers == 1


def test_the_switch_is_a_file_that_anybody_may_put_there(tmp_path):
    with dry(tmp_path) as desk:
        switch = tmp_path / "desk" / "HALT"
        switch.touch()
        assert desk.halted == "somebody asked for it" and desk.send([leg()]) == []
        switch.unlink()
        assert len(desk.send([leg()])) == 1
        desk.halt("a reason")
        desk.halt("another")
        assert switch.read_text() == "a reason\n"


def test_after_a_halt_nothing_is_sent_until_the_venues_have_answered(tmp_path):
    def silent():
        raise Unknown("it is away")

    switch = tmp_path / "desk" / "HALT"
    with dry(tmp_path) as desk:
        desk.halt("a reason")
        there, desk.gateways[USDM].open_orders = desk.gateways[USDM].open_orders, silent
        switch.unlink()
        assert desk.send([leg()]) == [] and desk.account.numbers == 0 and not desk.halted
        desk.gateways[USDM].open_orders = there
        assert len(desk.send([leg()])) == 1 and desk.reconciled


def test_a_venue_that_does_not_answer_is_waited_for_and_then_it_halts(tmp_path):
    def silent():
        raise Unknown("it is away")

    with dry(tmp_path) as desk:
        there, desk.gateways[USDM].open_orders = desk.gateways[USDM].open_orders, silent
        desk.check()
        desk.clock.sleep(59 * SECOND)
        desk.check()
        assert not desk.halted
        desk.gateways[USDM].open_orders = there
        desk.check()
        assert desk.silent is None
        desk.gateways[USDM].open_orders = silent
        desk.check()
        desk.clock.sleep(60 * SECOND)
        desk.check()
        assert desk.halted == "not reconciled: it is away"


def test_two_processes_do_not_trade_in_one_folder(tmp_path):
    with dry(tmp_path), pytest.raises(InputError, match="trades in it"), dry(tmp_path):
        pass


def test_other_instruments_or_venues_are_refused(tmp_path):
    with dry(tmp_path):
        pass
    with pytest.raises(InputError, match="was begun with"):
        Desk(tmp_path / "desk", {}, TABLE)


def test_half_a_line_of_what_would_have_been_sent_is_cut_off(tmp_path):
    path = tmp_path / "sent.jsonl"
    with dry(tmp_path) as desk:
        desk.send([leg(), leg()])
    path.write_bytes(path.read_bytes() + b'{"id":"fs')
    with dry(tmp_path) as desk:
        assert len(desk.gateways[USDM].orders) == 2 and not desk.halted
    path.write_bytes(b"[]\n")
    with pytest.raises(InputError, match="line 1 is no order"):
        Dry(USDM, path, 1.0)


@contextmanager
def live(folder, served, **more):
    """A desk at the venue on the loopback address."""
    pytest.importorskip("ccxt", reason="needs ccxt")
    with gateway(served=served) as (client, _):
        desk = Desk(folder / "desk", {USDM: client}, TABLE, care=Care(4_000_000_000), **more)
        with closing(desk):
            yield desk


@pytest.mark.slow
@pytest.mark.parametrize("fate", ["unheard", "unknown"])
def test_an_order_without_an_answer_is_asked_for_and_not_sent_again(tmp_path, fate):
    served = orders(rates={fate: 1.0})
    with live(tmp_path, served) as desk:
        (told,) = desk.send([leg()])
        assert told.filled == 10 and desk.account.position(WHERE) == 10
        assert served.asked["POST order"] == 1 and not desk.halted


@pytest.mark.slow
@pytest.mark.parametrize("fate", ["busy", "many", "rejected"])
def test_one_that_was_not_taken_is_not_sent_again_either(tmp_path, fate):
    served = orders(rates={fate: 1.0})
    with live(tmp_path, served) as desk:
        assert desk.send([leg()]) == [] and desk.account.refused == 1
        assert served.asked["POST order"] == 1 and not desk.account.live and not desk.halted


@pytest.mark.slow
def test_strangers_halt_and_are_cancelled(tmp_path):
    served = orders()
    with live(tmp_path, served) as desk:
        served.ledger.orders[9] = Placed(9, "another's", 0, 1, 5, 1, served.ms, at_once=False)
        desk.check()
        assert "another's" in desk.halted and served.ledger.open() == []


@pytest.mark.slow
def test_what_is_held_already_is_not_ours(tmp_path):
    served = orders()
    served.ledger.lots[0] = Fraction(7)
    with pytest.raises(InputError, match="7 lots are held already"), live(tmp_path, served):
        pass
