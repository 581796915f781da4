"""Small servers of the vendors' history, on the loopback address."""

import asyncio
from base64 import b64encode
from contextlib import asynccontextmanager, contextmanager
from itertools import pairwise
from threading import Thread

import numpy as np
import orjson
from aiohttp import web
from aiohttp.test_utils import TestServer

from flowsense.schema import SECOND
from flowsense.sources.dbn_files import walk

MINUTE = 60_000  # ms


class Kept:
    """What was asked, and how the next requests are answered instead."""

    def __init__(self, *instead):
        self.asked, self.instead, self.when = [], [*instead], []

    def note(self, request, now):
        self.asked.append(str(request.rel_url))
        self.when.append(now)
        return self.instead.pop(0) if self.instead else None


@asynccontextmanager
async def serving(path, handler, how="GET"):
    app = web.Application()
    app.router.add_route(how, path, handler)
    server = TestServer(app)
    await server.start_server()
    try:
        yield str(server.make_url("")).rstrip("/")
    finally:
        await server.close()


@contextmanager
def on_a_thread(path, handler, how="GET"):
    """The address of a server that does not need our loop."""
    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_forever, daemon=True)
    thread.start()
    served = serving(path, handler, how)
    try:
        yield asyncio.run_coroutine_threadsafe(served.__aenter__(), loop).result(10)
    finally:
        asyncio.run_coroutine_threadsafe(served.__aexit__(None, None, None), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


def candle(ts):
    """A minute's, from its time alone: open, high, low, close, volume, trades."""
    k = ts // MINUTE
    return 100 + k % 7, 110 + k % 7, 90 + k % 5, 101 + k % 3, (k % 11) / 8, k % 13


def minutes(start, end, most, first):
    """Times of candles, ms; those before `first` there are none."""
    begin = max(-(-start // MINUTE) * MINUTE, first)
    return range(begin, min(end + 1, begin + most * MINUTE), MINUTE)


def binance(kept, now, first=0):
    async def klines(request):
        instead = kept.note(request, now())
        if instead is not None:
            return instead
        q = request.query
        times = minutes(int(q["startTime"]), int(q["endTime"]), int(q["limit"]), first)
        rows = []
        for ts in times:
            *numbers, trades = candle(ts)
            texts = [f"{number:.8f}" for number in numbers]
            rows.append([ts, *texts, ts + MINUTE - 1, "0", trades, "0", "0", "0"])
        return web.json_response(rows)

    return klines


def massive(kept, now, key, most=40, elsewhere=""):
    async def aggregates(request):
        instead = kept.note(request, now())
        if instead is not None:
            return instead
        if request.headers.get("Authorization") != f"Bearer {key}":
            return web.json_response({"status": "ERROR", "error": f"no {key}"}, status=403)
        start, end = (int(request.match_info[name]) for name in ("start", "end"))
        times = [*minutes(start, end, most, 0)]
        rows = [{**dict(zip("ohlcvn", candle(ts), strict=True)), "t": ts, "vw": 1} for ts in times]
        told = {"status": "OK", "results": rows, "ticker": request.match_info["ticker"]}
        if times and times[-1] + MINUTE <= end:
            base = elsewhere or f"http://{request.host}"
            path = request.path.replace(f"/{start}/", f"/{times[-1] + MINUTE}/")
            told["next_url"] = f"{base}{path}?cursor=abc"
        return web.Response(body=orjson.dumps(told))

    return aggregates


def databento(kept, now, key, recording):
    """Of a file of bars: those of the span that is asked for."""
    data = np.frombuffer(recording.records, np.uint8)
    starts = np.empty(len(data), np.int64)
    n, end = walk(data, starts)
    cuts = [*starts[:n].tolist(), end]

    async def get_range(request):
        form = dict(await request.post())
        kept.forms = [*getattr(kept, "forms", []), form]
        instead = kept.note(request, now())
        if instead is not None:
            return instead
        if (
            request.headers.get("Authorization")
            != "Basic " + b64encode(f"{key}:".encode()).decode()
        ):
            return web.json_response({"detail": "Authentication failed."}, status=401)
        times = (np.datetime64(form[name].rstrip("Z"), "ns") for name in ("start", "end"))
        first, last = (time.astype(int) for time in times)
        body = recording.head
        limit = int(form.get("limit", 10**9))
        for a, b in pairwise(cuts):
            ts = int.from_bytes(recording.records[a + 8 : a + 16], "little")
            if first <= ts < last and limit:
                body, limit = body + recording.records[a:b], limit - 1
        return web.Response(body=body)

    return get_range


def ns(text):
    return int(np.datetime64(text, "s").astype(int)) * SECOND
