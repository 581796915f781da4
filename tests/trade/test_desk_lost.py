"""A venue that gives no answer at the worst moments; time is virtual."""

from contextlib import contextmanager

import pytest
from trade.counters import SYMBOL, USDM
from trade.test_desk import TABLE, WHERE, leg

from flowsense.errors import InputError
from flowsense.schema import SECOND
from flowsense.testing.virtual import Virtual
from flowsense.trade import OPEN, Unknown
from flowsense.trade.desk import Desk
from flowsense.trade.dry import Dry


class Lossy(Dry):
    """Says nothing to what is named in `mute`; takes orders all the same."""

    mute: tuple[str, ...] = ()
    rests = False  # what should fill at once, says that it is open
    window_ns = 6 * SECOND

    def _say(self, what):
        if what in self.mute:
            raise Unknown("it is away")

    def submit(self, order):
        told = super().submit(order)
        self._say("submit")
        return told._replace(state=OPEN) if self.rests else told

    def find(self, id, symbol):
        self._say("find")
        told = super().find(id, symbol)
        return told._replace(state=OPEN) if told and self.rests else told

    def positions(self):
        self._say("positions")
        return super().positions()

    def cancel_all(self):
        self._say("cancel_all")

    def alive(self, seconds):
        self._say("alive")
        return True


@contextmanager
def lossy(folder, *mute):
    """(desk, venue)."""
    venue = Lossy(USDM, folder / "sent.jsonl", 1e6)
    venue.mute = mute
    try:
        desk = Desk(folder / "desk", {USDM: venue}, TABLE, clock=Virtual())
        yield desk, venue
        desk.close()
    finally:
        venue.close()


def test_who_cannot_be_asked_about_an_order_for_a_minute_halts(tmp_path):
    with lossy(tmp_path) as (desk, venue):
        venue.mute = ("submit", "find", "cancel_all")
        assert desk.send([leg(), leg()]) == [] and desk.account.numbers == 1
        assert "nobody knows whether order" in desk.halted and desk.clock.now() >= 60 * SECOND
        assert len(desk.account.live) == 1 and desk.account.position(WHERE) == 0
    with lossy(tmp_path) as (desk, venue):
        assert desk.account.position(WHERE) == 10 and not desk.account.live
        assert desk.halted and desk.send([leg()]) == []  # a person has to look


def test_an_order_that_is_found_later_is_not_sent_again(tmp_path):
    with lossy(tmp_path) as (desk, venue):
        venue.mute = ("submit",)
        (told,) = desk.send([leg()])
        assert told.filled == 10 and len(venue.orders) == 1 and not desk.halted


def test_what_rests_and_cannot_be_withdrawn_halts(tmp_path):
    with lossy(tmp_path) as (desk, venue):
        venue.rests = True
        desk.send([leg()])
        assert "cannot be withdrawn" in desk.halted and len(desk.account.live) == 1
        assert desk.account.position(WHERE) == 10  # it was filled that far


def test_a_start_waits_for_the_venue_for_a_minute(tmp_path):
    with lossy(tmp_path):
        pass
    with lossy(tmp_path, "positions") as (desk, _):
        assert desk.halted == "not reconciled: it is away"
        assert 60 * SECOND <= desk.clock.now() < 62 * SECOND


def test_an_account_is_not_begun_at_a_venue_that_is_away(tmp_path):
    with (
        pytest.raises(InputError, match="cannot be asked what it holds"),
        lossy(tmp_path, "positions"),
    ):
        pass


def test_a_heartbeat_that_is_not_heard_stops_nothing(tmp_path):
    with lossy(tmp_path, "alive") as (desk, _):
        desk.beat()
        assert not desk.halted and len(desk.send([leg()])) == 1


def test_who_leaves_disarms_the_venues_unless_something_may_rest(tmp_path):
    with lossy(tmp_path) as (desk, venue):
        said = []
        venue.alive = said.append
        desk.leave()
        assert said == [0.0]
        venue.rests = True
        desk.send([leg()])
        desk.leave()
        assert said == [0.0]


def test_a_switch_that_cannot_be_read_is_thrown(tmp_path):
    with lossy(tmp_path) as (desk, _):
        desk.switch.mkdir()
        assert desk.halted.endswith("HALT is there") and desk.send([leg()]) == []


def test_all_is_cancelled_although_nothing_can_be_written(tmp_path, monkeypatch):
    said = []
    with lossy(tmp_path) as (desk, venue):
        venue.cancel_all = lambda: said.append(SYMBOL)

        def full(path):
            raise InputError("the disk is full")

        monkeypatch.setattr("flowsense.trade.desk.replacing", full)
        with pytest.raises(InputError, match="full"):
            desk.halt("why")
        assert said == [SYMBOL]
