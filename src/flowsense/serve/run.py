"""The server's life: it starts, is told to stop once or twice, and leaves nothing behind."""

import asyncio
import signal
import socket
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from typing import Any, TypeAlias

import structlog
import uvicorn
from fastapi import FastAPI

from flowsense.errors import InputError
from flowsense.live.tables import Unreachable
from flowsense.serve import Service
from flowsense.serve.app import STARTING, Api, app
from flowsense.serve.hub import Hub
from flowsense.serve.logs import configure
from flowsense.serve.settings import Settings
from flowsense.serve.sockets import Hearing, Listening
from flowsense.wall import new_loop, pause, within

log = structlog.get_logger("flowsense.serve")
Beside: TypeAlias = Sequence[tuple[str, Callable[[], Coroutine[Any, Any, None]]]]
SIGNALS = (signal.SIGINT, signal.SIGTERM)
TOLD_S, ENDING_S, STOPPING_S = 0.3, 1.5, 2.0  # listeners hear of the end; requests; the pipeline
AGAIN_S, LONGEST_S = 1.0, 60.0  # until a venue that cannot be reached is asked again


class Quiet(uvicorn.Server):
    """Signals are ours: uvicorn would raise them again, and the process would not end with 0."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def listening(settings: Settings) -> socket.socket:
    """Bound. Raises InputError where the address is taken or is not ours."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    # where the protocol is not named, asyncio leaves Nagle's algorithm on: 40 ms an answer
    found = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind((settings.host, settings.port))
        found.listen(1_024)
    except OSError as error:
        found.close()
        where = f"{settings.host} port {settings.port}"
        why = f"cannot be listened on: {error.strerror}: give another, or 0"
        raise InputError(f"{where}: {why}") from None
    found.setblocking(False)
    return found


def server_of(made: FastAPI, settings: Settings) -> Quiet:
    limits = settings.limits
    own = type("Listening", (Listening,), {"linger_s": limits.linger_s})
    config = uvicorn.Config(
        made,
        http=Hearing,
        ws=own,
        loop="none",
        lifespan="on",
        log_config=None,
        log_level="error",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        ws_max_size=limits.frame,
        ws_per_message_deflate=False,
        ws_ping_interval=limits.alive_s,
        ws_ping_timeout=limits.alive_s,
        timeout_graceful_shutdown=ENDING_S,  # type: ignore[arg-type]
    )
    return Quiet(config)


async def serve(
    service: Service,
    settings: Settings,
    *,
    stop: asyncio.Event,
    ready: Callable[[int], None] | None = None,
    start: bool = True,
    beside: Beside = (),
) -> None:
    """Serves until `stop` is set. Ends within 5 s of that, the pipeline stopped, nothing left.

    ready: called with the port as soon as it is listened on. start: the pipeline, too. beside: what
    goes on as long, by name. Raises InputError where the address cannot be listened on, or where
    the pipeline cannot be started, now or later.
    """
    refused = list[InputError]()
    with closing(listening(settings)) as bound:
        made = app(service, settings)
        api, server = made.state.api, server_of(made, settings)
        serving = asyncio.ensure_future(server.serve([bound]))
        try:
            while not server.started and not serving.done():
                await pause(0.01)
            port = bound.getsockname()[1] if not serving.done() else 0
            for name, work in beside:
                api.tasks.spawn(name, work())
            if start and not serving.done():
                api.tasks.spawn(STARTING, started(api, refused, stop))
            log.info("serving", host=settings.host, port=port, keys=settings.keys.any)
            if ready is not None and port:
                ready(port)
            stopping = asyncio.ensure_future(stop.wait())
            await asyncio.wait((stopping, serving), return_when=asyncio.FIRST_COMPLETED)
            stopping.cancel()
        finally:
            log.info("stopping", listeners=len(api.hub.listeners))
            api.close()
            await gone(api.hub)
            server.should_exit = True
            await quit(serving, service)
    if serving.done() and not serving.cancelled():
        serving.result()
    if refused:
        raise refused[0]


async def started(api: Api, refused: list[InputError], stop: asyncio.Event) -> None:
    """The pipeline, as soon as its venues can be reached; meanwhile it is told why it is not."""
    wait = AGAIN_S
    try:
        while True:
            try:
                await api.service.start()
                log.info("the pipeline runs")
                break
            except Unreachable as error:
                api.tasks.failed[STARTING] = str(error)
                log.warning("not started", why=str(error), again_s=wait)
            await pause(wait)
            wait = min(2 * wait, LONGEST_S)
            if api.service.status().state != "failed":
                break  # somebody else has started or stopped it
        api.tasks.failed.pop(STARTING, None)
    except InputError as error:
        refused.append(error)
        stop.set()


async def gone(hub: Hub) -> None:
    """Listeners have been told that it ends; who takes nothing is not waited for."""
    with suppress(TimeoutError):
        async with within(TOLD_S):
            while hub.listeners:
                await pause(0.01)


async def quit(serving: asyncio.Task[Any], service: Service) -> None:
    """Requests end, then the pipeline; neither is waited for longer than it may take."""
    await asyncio.wait((serving,), timeout=ENDING_S + 0.5)
    serving.cancel()
    try:
        async with within(STOPPING_S):
            await service.stop()
        log.info("stopped")
    except TimeoutError:
        log.error("the pipeline did not stop in time", seconds=STOPPING_S)


def serve_app(
    service: Service,
    settings: Settings,
    *,
    ready: Callable[[int], None] | None = None,
    start: bool = True,
    beside: Beside = (),
) -> None:
    """Serves until SIGINT or SIGTERM, however often they come; then the process may end with 0.

    Raises InputError as `serve` does.
    """

    async def run() -> None:
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        for each in SIGNALS:
            loop.add_signal_handler(each, stop.set)
        await serve(service, settings, stop=stop, ready=ready, start=start, beside=beside)

    configure()
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(run())
