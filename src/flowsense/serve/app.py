"""The API over HTTP and WebSocket. What each path takes and answers: docs/api.md, /openapi.json."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from fastapi import FastAPI, Request, Response, WebSocket
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse

from flowsense.errors import InputError
from flowsense.serve import Service
from flowsense.serve.asked import ARROW, PARQUET, Asked, Latest, Reload, Row, arrow, asked
from flowsense.serve.board import feed
from flowsense.serve.board.files import answer as file
from flowsense.serve.board.files import pages
from flowsense.serve.bodies import TooMuch
from flowsense.serve.guard import Guard
from flowsense.serve.hub import Hub
from flowsense.serve.openapi import STREAM, document
from flowsense.serve.problems import Refused, of_status, shown
from flowsense.serve.reference import POLICY, page
from flowsense.serve.runs import routes as runs
from flowsense.serve.settings import Settings
from flowsense.serve.stream import stream
from flowsense.serve.tasks import Tasks
from flowsense.serve.wire import plain, read
from flowsense.served import Answer, Health, Prediction

JSON = "application/json"
BASE = "/api/v1"
ROUTES = (
    *(f"{BASE}/predict", f"{BASE}/models/status", f"{BASE}/models/reload"),
    *(f"{BASE}/pipeline/start", f"{BASE}/pipeline/stop", "/health", "/metrics"),
)
STARTING = "start of the pipeline"


@dataclass(slots=True)
class Api:
    """What the routes share."""

    service: Service
    settings: Settings
    hub: Hub
    tasks: Tasks = field(default_factory=Tasks)
    predicting: int = 0

    def close(self) -> None:
        """Who listens is told to go. May be called again."""
        self.hub.close()
        if self.settings.board is not None:
            self.settings.board.close()

    def health(self) -> Health:
        failed = [f"{name}: {why}" for name, why in self.tasks.failed.items()]
        try:
            status = self.service.status()
        except InputError as error:  # there is nothing to tell yet
            waits = [str(error)]
            return Health(not failed, False, "failed" if failed else "stopped", (*failed, *waits))
        why = status.why or "the pipeline failed"
        if status.state == "failed" and not any(why in one for one in failed):
            failed.insert(0, why)
        waits = [] if status.state in ("running", "failed") else [f"pipeline: {status.state}"]
        waits += [
            f"{feed.venue}: {feed.state}{': ' if feed.why else ''}{feed.why}"
            for feed in status.feeds
            if feed.state != "live" and status.state == "running"
        ]
        reasons = (*failed, *waits)
        return Health(not failed, not reasons, status.state, reasons)

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Room for one more prediction. Raises Refused at once where there is none."""
        if self.predicting >= self.settings.limits.predictions:
            raise Refused(503, "overloaded", "Too many predictions at once.", after=1.0)
        self.predicting += 1
        try:
            yield
        finally:
            self.predicting -= 1

    async def predict(self, what: Asked | bytes, explain: bool) -> Answer:
        if isinstance(what, Latest):
            return self.latest(what, explain)
        if explain:
            message = "Only the latest prediction can be explained."
            raise Refused(409, "refused", message, field="explain")
        if isinstance(what, Row):
            symbol, venue = what.instrument, what.venue or ""
            self.known(symbol, venue)
            columns = {name: x for name, x in what.features.items() if x is not None}
            return Answer((await self.service.of_row(columns, symbol, venue),))
        body = what if isinstance(what, bytes) else arrow(what)
        return Answer(await self.service.of_events(body))

    def latest(self, what: Latest, explain: bool) -> Answer:
        symbol, venue = what.instrument, what.venue or ""
        self.known(symbol, venue)
        if explain and (why := self.service.explain(symbol, venue)) is not None:
            return Answer((why.prediction,), why)
        found: Prediction | None = self.service.latest(symbol, venue)
        if found is None or explain:
            raise Refused(
                409,
                "not_ready",
                f"There is no prediction of {shown(symbol)} yet.",
                field="instrument",
                hint=f"the pipeline is {self.service.status().state}",
                after=1.0,
            )
        return Answer((found,))

    def known(self, symbol: str, venue: str) -> None:
        status = self.service.status()
        feeds = status.feeds
        if not feeds:
            message, hint = "Nothing is listened to yet.", f"the pipeline is {status.state}"
            raise Refused(409, "not_ready", message, field="instrument", hint=hint, after=1.0)
        if not any(symbol in f.symbols and venue in ("", f.venue) for f in feeds):
            names = sorted({s for f in feeds for s in f.symbols if venue in ("", f.venue)})
            where = f" at {shown(venue)}" if venue else ""
            raise Refused(
                404,
                "unknown_instrument",
                f"There is no instrument {shown(symbol)}{where}.",
                field="instrument",
                hint=f"there are {', '.join(names[:20])}" if names else "look at the venue's name",
            )

    def model(self, body: bytes) -> Path | None:
        """The folder of a reload, inside that of all models. Raises Refused."""
        path = read(body, Reload).path if body else None
        if path is None:
            return None
        root = self.settings.models
        if root is None:
            message = "Only what is served may be loaded again: there is no folder of models."
            hint = "leave the path out, or start it with --models DIR"
            raise Refused(403, "models", message, field="path", hint=hint)
        try:
            found = (root / path).resolve()
            inside = found.is_relative_to(root.resolve()) and found.is_dir()
        except (OSError, ValueError, RuntimeError):
            inside = False
        if not inside:
            message = f"There is no model {shown(path)} in the folder of models."
            raise Refused(404, "unknown_model", message, field="path", hint=named(root))
        return found


def named(root: Path) -> str:
    """The models of a folder, in words."""
    try:
        names = sorted(
            place.name for place in root.iterdir() if place.is_dir() and not place.is_symlink()
        )
    except OSError:
        names = []
    return f"there are {', '.join(names[:20])}" if names else "the folder has none"


def app(service: Service, settings: Settings) -> FastAPI:
    """The API of a service; `state.api` of what it returns is what its routes share."""
    api = Api(service, settings, Hub(service, settings.crowd))

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        api.tasks.spawn("the look after listeners", api.hub.watch())
        try:
            yield
        finally:
            api.close()
            await api.tasks.stop()

    made = FastAPI(
        title="flowsense",
        docs_url=None,  # it fetches scripts from elsewhere; ours does not
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
        exception_handlers={HTTPException: routed},
    )
    made.state.api = api
    if settings.board is not None:
        settings.board.health = api.health
    made.openapi = document  # type: ignore[method-assign]
    made.add_middleware(Guard, settings=settings)
    routes(made, api)
    return made


def routes(made: FastAPI, api: Api) -> None:
    """Each path, in the order of docs/api.md."""

    async def predict(request: Request) -> Response:
        explain = flag(request, "explain")
        with api.slot(), refusals():
            return answer(await api.predict(await what(request), explain))

    async def status(request: Request) -> Response:
        flag(request, None)
        return answer(api.service.status())

    async def reload(request: Request) -> Response:
        admin(request)
        path = api.model(await json_body(request))
        with refusals():
            return answer(await api.service.reload(path))

    async def start() -> None:
        await api.service.start()
        api.tasks.failed.pop(STARTING, None)

    async def health(request: Request) -> Response:
        flag(request, None)
        found = api.health()
        return answer(found, 200 if found.live else 503)

    async def metrics(request: Request) -> Response:
        if api.settings.metrics is None:
            raise Refused(404, "no_metrics", "Nothing is measured here.")
        body, kind = api.settings.metrics()
        return Response(body, headers={"content-type": kind})

    async def live(socket: WebSocket) -> None:
        await stream(socket, api.hub, api.settings.limits)

    table: tuple[tuple[str, Callable[[Request], Awaitable[Response]]], ...] = (
        ("POST", predict),
        ("GET", status),
        ("POST", reload),
        ("POST", switch(api, start)),
        ("POST", switch(api, api.service.stop)),
        ("GET", health),
        ("GET", metrics),
    )
    for path, (method, route) in zip(ROUTES, table, strict=True):
        made.add_api_route(path, route, methods=[method], response_model=None)
    runs(made, api.settings.runs)
    made.add_api_websocket_route(STREAM, live)
    made.add_api_route("/docs", reference, methods=["GET"], response_model=None)
    dashboard(made, api)


def dashboard(made: FastAPI, api: Api) -> None:
    """Its stream and its files; where there is none, / leads to the description of the API."""
    board, shown = api.settings.board, pages()

    async def page(socket: WebSocket) -> None:
        who = socket.state.who
        admin = who is not None and who.may("admin")
        assert board is not None
        await feed.page_of(socket, board, api.settings.limits, admin=admin)

    if board is None or not shown:
        made.add_api_route("/", begin, methods=["GET"], response_model=None)
    if board is not None:
        made.add_api_websocket_route(feed.PATH, page)
        for path in shown:
            made.add_api_route(path, file, methods=["GET"], response_model=None)


async def reference(request: Request) -> Response:
    flag(request, None)
    headers = {"content-security-policy": POLICY}
    return Response(page(), headers=headers, media_type="text/html")


async def begin(request: Request) -> Response:
    flag(request, None)
    return RedirectResponse("/docs")


def switch(
    api: Api, act: Callable[[], Awaitable[None]]
) -> Callable[[Request], Awaitable[Response]]:
    """Start or stop, and how it stands then."""

    async def route(request: Request) -> Response:
        admin(request)
        flag(request, None)
        with refusals():
            await act()
        return answer(api.service.status())

    return route


def answer(said: Any, status: int = 200) -> Response:
    """Raises NotFinite where something of it is no number."""
    return Response(msgspec.json.encode(plain(said)), status, media_type=JSON)


def admin(request: Request) -> None:
    who = request.state.who
    if who is None or not who.may("admin"):
        hint = "ask with a key of the scope admin"
        raise Refused(403, "scope", "This key may only read.", field="Authorization", hint=hint)


def flag(request: Request, name: str | None) -> bool:
    """The only parameter that there may be: 0 or 1. Raises Refused."""
    found = False
    for key, value in request.query_params.multi_items():
        if key != name:
            raise Refused(422, "invalid", f"There is no parameter {shown(key)}.", field="query")
        if value not in ("0", "1"):
            raise Refused(422, "invalid", f"{key} is {shown(value)}: give 0 or 1.", field=key)
        found = value == "1"
    return found


def kind_of(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def json_body(request: Request) -> bytes:
    """Raises Refused where it says that it is something else."""
    flag(request, None)
    body = await request.body()
    if body and kind_of(request) != JSON:
        raise unsupported(kind_of(request), JSON)
    return body


async def what(request: Request) -> Asked | bytes:
    kind, body = kind_of(request), await request.body()
    if kind == JSON:
        return asked(body)
    if kind in (*ARROW, PARQUET):
        return body
    raise unsupported(kind, ", ".join((JSON, *ARROW, PARQUET)))


def unsupported(kind: str, hint: str) -> Refused:
    message = f"A body of type {shown(kind)} is not read."
    return Refused(415, "media_type", message, field="Content-Type", hint=f"send {hint}")


@contextmanager
def refusals() -> Iterator[None]:
    """What the service says is its user's doing."""
    try:
        yield
    except TooMuch as error:
        raise Refused(413, "too_large", f"{str(error).rstrip('.')}.", field="body") from None
    except InputError as error:
        raise Refused(409, "refused", f"{str(error).rstrip('.')}.") from None


async def routed(_: Request, error: Exception) -> Response:
    """What the router itself refuses."""
    assert isinstance(error, HTTPException)
    refused = of_status(error.status_code)
    return Response(
        msgspec.json.encode(refused.problem),
        error.status_code,
        headers=dict(error.headers or {}),
        media_type=JSON,
    )
