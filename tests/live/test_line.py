"""A gateway over TCP is heard as a venue over a WebSocket is: kept up, and lost without a hole."""

import asyncio
import socket

import numpy as np

from flowsense.live.care import Care
from flowsense.live.feed import Address, Feed
from flowsense.live.line import KEEPALIVE, Line
from flowsense.replay.databento import Gateway, Recording
from flowsense.schema import CLEAR, CONTROL, GAP
from flowsense.sources import chunks
from flowsense.sources.dbn import Dbn
from flowsense.sources.venues import venue

KEY = "db-0123456789abcdefghijklmnopqrst"


async def served(path, breaks, sessions):
    """What a feed tells until so many sessions have told all that they will."""
    table, told, done = Dbn((path,)).instruments, [], asyncio.Event()
    spoken = venue(f"databento/GLBX.MDP3/{Recording(path).metadata.schema}")
    async with Gateway(Recording(path), KEY, size=100, breaks=breaks) as gateway:

        def hear(heard, made):
            told.append(made.events)
            if gateway.served == sessions and feed.decoder.sink.counts["system"]:
                done.set()

        feed = Feed(spoken, table, hear, address=Address(gateway.address, ""), care=Care(first=0.0))
        task = asyncio.create_task(feed.run())
        await done.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return np.concatenate(told), gateway.heard


def test_whether_the_other_machine_is_there_is_asked_after_a_second():
    """R11: half-open, of a protocol without pings: the system gives up after three seconds."""

    async def main():
        async def serve(reader, writer):
            await reader.read()
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        line = await Line.open(f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        own = line.writer.get_extra_info("socket")
        found = own.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        names = [getattr(socket, name) for name in KEEPALIVE if hasattr(socket, name)]
        told = [own.getsockopt(socket.IPPROTO_TCP, name) for name in names]
        await line.close()
        await line.reader.read()
        server.close()
        return found, told

    found, told = asyncio.run(main())
    assert found and told in ([1, 1, 2], [])


def test_a_session_that_breaks_is_a_gap_and_the_next_tells_all(data, monkeypatch):
    monkeypatch.setenv("DATABENTO_API_KEY", KEY)
    path = data / "dbn/databento-python/GLBX.MDP3/test_data.mbp-1.dbn.zst"
    breaks = {0: len(Recording(path).whole) - 85}
    events, heard = asyncio.run(served(path, breaks.get, 2))
    events = events[events["action"] != CONTROL]  # of the silence between them
    wanted = np.concatenate([chunk.events for chunk in chunks(Dbn((path,)))])
    gap = np.flatnonzero(events["bits"] == GAP)
    assert events["action"][gap].tolist() == [CLEAR] and (np.diff(events["ts_recv"]) >= 0).all()
    after = events[gap[0] + 1 :].copy()
    wanted["ts_recv"] = after["ts_recv"] = 0
    assert after.tobytes() == wanted.tobytes() and 0 < gap[0] < len(wanted)
    assert KEY not in "".join(heard) and sum("start_session" in line for line in heard) == 2
