"""The end at every point there is: before and after each record, before and after each order."""

from contextlib import suppress

import pytest
from trade.counters import SYMBOL, USDM
from trade.test_desk import TABLE, WHERE, leg

from flowsense.store.journal import Journal
from flowsense.testing.virtual import Virtual
from flowsense.trade.desk import Desk
from flowsense.trade.dry import Dry

LEGS = [leg(1, 10), leg(-1, 4), leg(1, 7)]


class Killed(BaseException):
    """Nothing catches it, and nothing is done after it."""


def opened(folder):
    venue = Dry(USDM, folder / "sent.jsonl", 1e6)
    return Desk(folder / "desk", {USDM: venue}, TABLE, clock=Virtual()), venue


def killing(method, calls, after):
    """The method; at the last of so many calls it is killed, before or after it is done."""

    def call(self, *given):
        calls[0] -= 1
        if calls[0] == 0 and not after:
            raise Killed
        found = method(self, *given)
        if calls[0] == 0:
            raise Killed
        return found

    return call


def sent(folder):
    """Send until all legs have an order, however often that begins anew; the desk at the end."""
    desk, venue = opened(folder)
    desk.send(LEGS[desk.account.numbers :])
    return desk, venue


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("at", range(1, 8))
@pytest.mark.parametrize("what", [Journal.append, Dry.submit], ids=["record", "order"])
def test_no_point_loses_or_doubles_an_order(tmp_path, monkeypatch, what, at, after):
    owner = Journal if what is Journal.append else Dry
    with monkeypatch.context() as patch, suppress(Killed):
        patch.setattr(owner, what.__name__, killing(what, [at], after))
        desk, venue = sent(tmp_path)
        desk.close()
        venue.close()
    for one in OPENED:
        one.close()
    desk, venue = sent(tmp_path)
    account, there = desk.account, venue.positions()[SYMBOL]
    assert not desk.halted and account.position(WHERE) == there and not account.live
    assert (
        account.filled == len(venue.orders) and account.numbers == account.filled + account.refused
    )
    desk.close()
    venue.close()


OPENED = []


@pytest.fixture(autouse=True)
def as_the_system_does(monkeypatch):
    """What a killed process held open is closed."""
    OPENED.clear()
    for owner in (Desk, Dry):
        made = owner.__init__

        def init(self, *given, made=made, **more):
            OPENED.append(self)
            made(self, *given, **more)

        monkeypatch.setattr(owner, "__init__", init)
