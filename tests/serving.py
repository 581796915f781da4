"""A server for tests: asked without sockets, or on a port of its own beside the test."""

import asyncio
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import replace
from threading import Thread
from typing import NamedTuple

import httpx

from flowsense.client import Client
from flowsense.serve.app import app
from flowsense.serve.run import serve
from flowsense.serve.settings import Limits, Settings
from flowsense.testing.service import Simulated

READ, ADMIN = "r" * 32, "a" * 32
HOME = "http://127.0.0.1"
ONCE = []


def started(advance=600, service=None):
    """A service that runs and has predicted."""
    service = service or Simulated()
    service.state = "running"
    service.advance(advance)
    return service


def started_once():
    """One that is only read."""
    if not ONCE:
        ONCE.append(started())
    return ONCE[0]


def limited(**limits):
    return Settings(port=0, limits=replace(Limits(), **limits))


def ask(method, path, *, service=None, settings=None, **request):
    """The answer to one request, without sockets."""
    return asyncio.run(asked((method, path, request), service=service, settings=settings))[0]


async def asked(*requests, service=None, settings=None):
    """The answers to several, one after the other."""
    made = app(service or started_once(), settings or Settings())
    transport = httpx.ASGITransport(made, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=HOME) as client:
        found = [await client.request(m, path, **more) for m, path, more in requests]
    made.state.api.hub.close()
    return found


class Running(NamedTuple):
    """A server on a thread of its own."""

    service: Simulated
    url: str
    loop: asyncio.AbstractEventLoop

    def on_loop(self, work, *given):
        """Its result, done where the service lives."""
        done = Future()
        self.loop.call_soon_threadsafe(lambda: done.set_result(work(*given)))
        return done.result(10)

    def advance(self, n):
        return self.on_loop(self.service.advance, n)

    @property
    def stream(self):
        return self.url.replace("http", "ws") + "/api/v1/predict/stream"


@contextmanager
def running(service=None, settings=None):
    """The pipeline runs, too; afterwards all has ended."""
    service, settings = service or Simulated(), settings or Settings(port=0)
    told = Future()

    async def run():
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        tell = lambda port: told.set_result((loop, stop, port))  # noqa: E731
        await serve(service, settings, stop=stop, ready=tell)

    thread = Thread(target=asyncio.run, args=(run(),))
    thread.start()
    loop, stop, port = told.result(10)
    url = f"{HOME}:{port}"
    try:
        with Client(url) as client:
            client.health()  # without a key; the pipeline was started before that was answered
        yield Running(service, url, loop)
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        assert not thread.is_alive()
