"""Connections that are never opened: names that are not known, and servers that say nothing."""

import asyncio
import socket
from contextlib import asynccontextmanager, suppress

import pytest
from aiohttp.abc import AbstractResolver
from live.followed import Told, following, table

from flowsense.live.feed import Address
from flowsense.testing.loop import run
from flowsense.wall import elapsed, pause

AT = 1.05  # s, when the fault begins
OUTAGES = [3, pytest.param(60, marks=pytest.mark.slow), pytest.param(600, marks=pytest.mark.slow)]


class Names(AbstractResolver):
    """Knows every name as this machine, but in an outage."""

    def __init__(self, since, until):
        self.since, self.until, self.asked = since, until, []

    async def resolve(self, host, port=0, family=socket.AF_INET):
        self.asked.append(elapsed())
        if self.since <= elapsed() < self.until:
            raise OSError(None, "Name or service not known")
        found = {"hostname": host, "host": "127.0.0.1", "port": port}
        return [found | {"family": socket.AF_INET, "proto": 0, "flags": 0}]

    async def close(self):
        return


@pytest.mark.parametrize("seconds", OUTAGES)
def test_where_the_name_is_not_known_it_is_back_two_seconds_after_it_is(seconds):
    """R11: DNS fails for 3, 60 or 600 s: first try <= 1 s, and heard <= 2 s after it is known."""
    source, names = Told(table("okx", 2), 20, 0.1), Names(AT, AT + seconds)

    def at(replay):
        port = replay.port
        return Address(f"ws://venue.test:{port}", f"http://venue.test:{port}", names)

    async def main():
        cut = {"at": AT, "do": "reset"}
        async with following(source, [cut], at=at) as (found, _, task):
            await pause(AT + seconds + 3.0)
            assert not task.done() and found.feed.connections == 2
            return found

    found = run(main())
    tries = [t for t in names.asked if t > AT]
    whole = [t for t, _ in found.whole if t > AT + seconds]
    assert tries[0] - AT <= 1.0 and len(whole) == 2
    assert max(whole) - (AT + seconds) <= 2.0


class Gate:
    """In front of a venue. While it is shut whoever comes is let in and never answered."""

    def __init__(self, port):
        self.behind, self.shut, self.writers, self.came = port, False, [], []

    async def serve(self, reader, writer):
        self.writers.append(writer)
        self.came.append(elapsed())
        if self.shut:
            return
        there = await asyncio.open_connection("127.0.0.1", self.behind)
        self.writers.append(there[1])
        await asyncio.gather(pump(reader, there[1]), pump(there[0], writer))

    def cut(self):
        for writer in self.writers:
            writer.transport.abort()


async def pump(reader, writer):
    with suppress(OSError):
        while data := await reader.read(1 << 16):
            writer.write(data)
    writer.close()


@asynccontextmanager
async def gated(source, scheme="ws"):
    gate = Gate(0)
    server = await asyncio.start_server(gate.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]

    def at(replay):
        gate.behind = replay.port
        return Address(f"{scheme}://127.0.0.1:{port}", f"http://127.0.0.1:{port}")

    try:
        async with following(source, at=at) as (found, _, task):
            yield found, gate, task
    finally:
        gate.cut()
        server.close()


@pytest.mark.parametrize("seconds", OUTAGES)
def test_where_nobody_answers_the_handshake_it_is_back_two_seconds_after_somebody_does(seconds):
    """R11: connections are taken and forgotten for 3, 60 or 600 s, and stay so: another is tried
    beside them, and heard <= 2 s after the venue answers."""
    source = Told(table("okx", 2), 30, 0.1)

    async def main():
        async with gated(source) as (found, gate, task):
            await pause(AT)
            gate.shut = True
            gate.cut()
            await pause(seconds)
            gate.shut = False
            await pause(3.0)
            assert not task.done() and found.feed.connections == 2
            return found, gate

    found, gate = run(main())
    whole = [t for t, _ in found.whole if t > AT + seconds]
    assert len(whole) == 2 and max(whole) - (AT + seconds) <= 2.0
    assert len([t for t in gate.came if t > AT]) <= seconds / 1.1 + 3


def test_a_handshake_of_tls_that_hangs_is_given_up_and_tried_again_and_nothing_is_left():
    """R11: TLS hangs: every try ends, none fails the feed, and no socket or task stays."""

    async def main():
        async with gated(Told(table("okx", 1), 20, 0.1), "wss") as (found, gate, task):
            gate.shut = True
            await pause(40.0)
            assert not task.done() and found.feed.why.startswith("TimeoutError")
            return gate, len(gate.came)

    gate, came = run(main())
    assert 20 <= came <= 40 and all(writer.is_closing() for writer in gate.writers)
