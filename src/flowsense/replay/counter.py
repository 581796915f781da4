"""The order side on a port of the loopback address, without a stream beside it."""

from collections.abc import Sequence
from typing import Self

from aiohttp import web

from flowsense.replay.binance_orders import Answer, Orders, body
from flowsense.wall import pause

HOST = "127.0.0.1"


class Counter:
    """``async with Counter(orders) as counter:`` serves at `counter.rest`."""

    def __init__(self, *orders: Orders, port: int = 0) -> None:
        self.orders: Sequence[Orders] = orders
        self.port = port
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._reply)
        self.runner = web.AppRunner(
            app,
            access_log=None,
            handle_signals=False,
            shutdown_timeout=0,
            handler_cancellation=True,
        )

    @property
    def rest(self) -> str:
        return f"http://{HOST}:{self.port}"

    async def __aenter__(self) -> Self:
        await self.runner.setup()
        await web.TCPSite(self.runner, HOST, self.port).start()
        self.port = int(self.runner.addresses[0][1])
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.runner.cleanup()

    async def _reply(self, request: web.Request) -> web.Response:
        for orders in self.orders:
            mine = orders.spot == request.path.startswith("/api/")
            if mine and (found := await answered(orders, request)) is not None:
                return await given(found)
        raise web.HTTPNotFound


async def answered(orders: Orders, request: web.Request) -> Answer | None:
    """What was sent stands in the address, or in the body of who posts."""
    query = request.rel_url.raw_query_string or await request.text()
    key = request.headers.get("X-MBX-APIKEY", "")
    return orders.answer(request.method, request.path, query, key)


async def given(answer: Answer) -> web.Response:
    if answer.late:
        await pause(answer.late)
    headers = {"Retry-After": "1"} if answer.status in (418, 429) else {}
    return web.Response(
        body=body(answer),
        status=answer.status,
        content_type="application/json",
        headers=headers,
    )
