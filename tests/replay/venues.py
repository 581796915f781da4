"""A replayed spot market of one symbol, and clients that know nothing of it but its addresses."""

import aiohttp

from flowsense.replay import speaker
from flowsense.replay.faults import script
from flowsense.replay.feed import feed
from flowsense.replay.server import Replay
from flowsense.replay.shelf import Shelf
from flowsense.sources.open import open_source
from flowsense.sources.venues import Get, Heard, How, venue
from flowsense.sources.venues.decoder import Decoder

SPOT = "binance-spot"
BOTH = "/stream?streams=abcusdt@depth/abcusdt@trade"


def served(path, *, name=SPOT, verbatim=True, loop=False, faults=(), **how):
    told = feed(open_source(path), name, verbatim=verbatim, loop=loop)
    symbols = [i.symbol for i in told.instruments]
    steps = script([*faults], "faults", symbols)
    return Replay(told, speaker(name)(told.instruments), faults=steps, **how)


async def heard(replay, path=BOTH):
    """Every body, until the connection ends."""
    async with aiohttp.ClientSession() as session, session.ws_connect(replay.stream + path) as ws:
        return [message.data.encode() async for message in ws]


async def get(replay, path):
    """Status, headers and body of a reply."""
    async with aiohttp.ClientSession() as session, session.get(replay.rest + path) as reply:
        return reply.status, reply.headers, await reply.read()


async def followed(replay, symbol="ABCUSDT", name=SPOT, events=None):
    """A decoder that has heard it all, with snapshots; the book of its events; its gaps."""
    spoken = venue(name)
    listed = tuple([(await get(replay, path))[2] for path in spoken.listing((symbol,))])
    decoder = Decoder(spoken, spoken.instruments((symbol,), listed))
    shelf, waiting = Shelf(decoder.sink.instruments[symbol]), [Heard(1, How.OPENED)]
    paths = (spoken.path, *([spoken.beside] if spoken.beside else []))
    streams = "/".join(path((symbol,)).partition("=")[2] for path in paths)
    address, gaps = f"{replay.stream}/stream?streams={streams}", []
    async with aiohttp.ClientSession() as session, session.ws_connect(address) as ws:
        while True:
            told = decoder.hear(waiting.pop(0))
            shelf.apply(told.events)
            gaps += told.gaps
            if events is not None:
                events.append(told.events)
            for ask in told.asks:
                if isinstance(ask, Get):
                    _, _, body = await get(replay, ask.path)
                    waiting.append(Heard(2, How.REPLY, body, ask.key))
            if not waiting:
                message = await ws.receive()
                if message.type is not aiohttp.WSMsgType.TEXT:
                    return decoder, shelf, gaps
                waiting.append(Heard(3, How.MESSAGE, message.data.encode()))
