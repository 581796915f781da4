"""Readers give way to who is at work, and to nobody who hangs."""

import asyncio
from time import sleep

import aiohttp
import pytest

from flowsense.live.line import Piece
from flowsense.live.link import SLICE, Link
from flowsense.live.room import MOST, Room
from flowsense.testing.loop import run
from flowsense.wall import elapsed, pause

MESSAGES = 50


class Burst:
    """A socket that has everything ready, or a message each so many seconds."""

    close_code = None

    def __init__(self, messages=MESSAGES, every=0.0):
        self.messages, self.every = messages, every

    async def __aiter__(self):
        for k in range(self.messages):
            if self.every:
                await pause(self.every)
            yield Piece(b"%d" % k, aiohttp.WSMsgType.TEXT)
        await asyncio.Event().wait()

    async def close(self):
        pass


@pytest.mark.parametrize(("at_work", "at"), [(0.0, 0.0), (0.006, 0.006), (MOST, MOST), (5.0, MOST)])
def test_who_waits_goes_on_when_it_is_free_or_was_taken_for_too_long(at_work, at):
    async def go():
        room = Room()

        async def work():
            with room.taken():
                await pause(at_work)

        working = asyncio.create_task(work())
        await pause(0.0)
        await room.wait()
        waited = elapsed()
        await room.wait()
        again = elapsed()
        await working
        assert room.free
        return waited, again

    assert run(go()) == pytest.approx((at, at), abs=1e-6)


def test_it_is_free_after_work_that_failed():
    async def go():
        room = Room()
        with pytest.raises(ZeroDivisionError), room.taken():
            raise ZeroDivisionError
        return room.free

    assert run(go())


def heard_while(at_work):
    """When each message of a burst is heard that comes at the work's begin, by the loop's clock."""

    async def go():
        room, heard = Room(), list[float]()
        with room.taken():
            link = Link((Burst(),), room)
            link.tell(lambda body: heard.append(elapsed()))
            await pause(at_work)
        await pause(2 * MOST)
        await link.close(0.0)
        return heard

    return run(go())


def test_one_message_is_read_while_the_engine_is_at_work_and_the_rest_after_it():
    heard = heard_while(0.006)
    assert heard == pytest.approx([0.0] + [0.006] * (MESSAGES - 1))


def test_an_engine_that_hangs_does_not_keep_anybody_from_reading():
    heard = heard_while(60.0)
    assert heard == pytest.approx([0.0] + [MOST] * (MESSAGES - 1))


@pytest.mark.parametrize("turn", [0.002, 0.01, 0.1])
def test_an_engine_that_never_rests_leaves_readers_half_of_the_time(turn):
    """What waits in sockets is no backlog that anybody sees, or conflates."""

    async def go():
        room, heard = Room(), list[float]()
        link = Link((Burst(1_000, 0.001),), room)
        link.tell(lambda body: heard.append(elapsed()))
        while elapsed() < 1.0:
            with room.taken():
                await pause(turn)
            await pause(0.0)
        await link.close(0.0)
        return len(heard)

    assert 400 < run(go()) < 900


def test_others_have_their_turn_while_a_burst_is_read_beside_an_engine_that_hangs():
    """In time of the wall: to hear takes some."""

    async def go():
        room, turns = Room(), 0
        with room.taken():
            await asyncio.sleep(2 * MOST)
            link, heard = Link((Burst(200),), room), list[bytes]()

            def hear(body):
                heard.append(body)
                sleep(SLICE / 4)

            link.tell(hear)
            while len(heard) < 200:
                await asyncio.sleep(0)
                turns += 1
        await link.close(0.0)
        return turns

    assert asyncio.run(go()) > 20


def test_without_anybody_at_work_nobody_waits():
    async def go():
        heard = list[float]()
        link = Link((Burst(),), Room())
        link.tell(lambda body: heard.append(elapsed()))
        await pause(10 * SLICE)
        await link.close(0.0)
        return heard

    assert run(go()) == [0.0] * MESSAGES
