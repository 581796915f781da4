"""A venue that says what was recorded of it, byte for byte, to whoever connects."""

import asyncio

from aiohttp import web
from aiohttp.test_utils import TestServer

from flowsense.replay.databento import Gateway
from flowsense.wall import pause


class Raw:
    """`stream` and `rest` are its addresses.

    Args:
        messages: ns and body of each, in order of time.
        answers: body of each path and query, or what it ends with; JSON that is posted stands
            behind a blank.
    """

    def __init__(self, messages, answers):
        self.messages, self.answers = messages, answers

    async def __aenter__(self):
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self.answer)
        self.server = TestServer(app)
        await self.server.start_server()
        self.rest = str(self.server.make_url("")).rstrip("/")
        self.stream = self.rest.replace("http", "ws")
        return self

    async def __aexit__(self, *error):
        await self.server.close()

    async def answer(self, request):
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self.talk(request)
        posted = f" {await request.text()}" if request.content_type == "application/json" else ""
        body = self.answers(f"{request.path_qs}{posted}", self)
        return web.Response(body=body) if body is not None else web.Response(status=404)

    async def talk(self, request):
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        said = asyncio.create_task(self.say(socket))
        async for _ in socket:
            pass
        said.cancel()
        return socket

    async def say(self, socket):
        now = self.messages[0][0]
        for ts, body in self.messages:
            if ts > now:
                await pause((ts - now) / 1e9)
                now = ts
            await socket.send_bytes(body)


class Databento:
    """A gateway with the definition of one symbol, which REST tells."""

    def __init__(self, told, key, definition):
        self.gateway, self.definition = Gateway(told, key), definition

    async def __aenter__(self):
        app = web.Application()
        app.router.add_post("/v0/timeseries.get_range", self.definitions)
        self.server = TestServer(app)
        await self.server.start_server()
        await self.gateway.__aenter__()
        self.stream, self.rest = self.gateway.address, str(self.server.make_url("")).rstrip("/")
        return self

    async def __aexit__(self, *error):
        await self.gateway.__aexit__(*error)
        await self.server.close()

    async def definitions(self, request):
        return web.Response(body=self.definition)
