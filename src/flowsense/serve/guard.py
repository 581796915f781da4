"""What every request passes before it is heard, and how whatever goes wrong is answered."""

import re
from collections.abc import Awaitable, Callable, MutableMapping
from secrets import token_hex
from typing import Any, TypeAlias
from urllib.parse import parse_qsl, urlsplit

import msgspec
import structlog

from flowsense.serve.board.files import pages
from flowsense.serve.keys import EVERYBODY, Who, offered
from flowsense.serve.problems import Refused, shown
from flowsense.serve.rates import Rates
from flowsense.serve.settings import Settings
from flowsense.wall import Stopwatch, within

log = structlog.get_logger("flowsense.serve")
Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
Application: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

OPEN = frozenset({"/health", "/openapi.json", "/docs"})  # without a key
SECRETS = frozenset(
    {"key", "api_key", "apikey", "api-key", "token", "access_token", "auth", "authorization"}
    | {"password", "secret", "bearer", "jwt"}
)
REQUEST_ID = re.compile(r"[A-Za-z0-9_.-]{1,64}")
CROWDED = (429, 503)  # answers where too much is asked at once
REFUSED = 1008  # close code: policy


class Gone(Exception):
    """Who asked went away."""


class Guard:
    """ASGI middleware around all routes."""

    def __init__(self, inner: Application, settings: Settings) -> None:
        self.inner, self.settings = inner, settings
        limits = settings.limits
        self.addresses = Rates(limits.rate, limits.burst)
        self.named = Rates(limits.rate, limits.burst)
        self.logins = Rates(limits.logins / 60.0, limits.logins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
        else:
            await self.inner(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer, watch = Answering(send, named(scope)), Stopwatch()
        try:
            with watch:
                await self._answer(scope, receive, answer)
        except Gone:
            return
        except Refused as refused:
            await answer.refuse(refused)
        except TimeoutError:
            await answer.refuse(Refused(504, "too_slow", "The answer took too long.", after=1))
        except Exception as error:  # noqa: BLE001 - the top of the serving loop
            log.error("internal error", id=answer.id, path=scope["path"], kind=type(error).__name__)
            await answer.refuse(Refused(500, "internal", "This is a fault of flowsense."))
        told(scope, answer, watch.seconds, self.settings)

    async def _answer(self, scope: Scope, receive: Receive, answer: "Answering") -> None:
        who = self.admitted(scope)
        state = scope.setdefault("state", {})
        state["who"], state["id"] = who, answer.id
        answer.who = who.name if who else ""
        limits = self.settings.limits
        body = await within_limits(headers(scope), receive, limits.body, limits.body_s)
        async with within(limits.change_s if acts(scope) else limits.request_s):
            await self.inner(scope, again(body, receive), answer)

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Whatever is refused is so before anything is accepted."""
        try:
            scope.setdefault("state", {})["who"] = self.admitted(scope)
            await self.inner(scope, receive, send)
        except Refused as refused:
            log.info("refused", path=scope["path"][:200], code=refused.problem.code)
            await deny(scope, send, refused)

    def admitted(self, scope: Scope) -> Who | None:
        """Who asks; None on the few open paths without a key. Raises Refused."""
        told, address = headers(scope), (scope.get("client") or ("", 0))[0]
        self._host(told)
        self._origin(told)
        unkeyed(scope)
        later = self.addresses.take(address)
        if later:
            raise Refused(429, "too_many", "This address asks too often.", after=later)
        if scope["type"] == "websocket" and "authorization" not in told:
            key = offered(told.get("sec-websocket-protocol", ""))
            told |= {"authorization": f"Bearer {key}"} if key else {}
        path = scope["path"]
        who = self._who(told, address, path in OPEN or path in pages())
        later = self.named.take(who.name) if who and who.name != EVERYBODY else 0.0
        if later:
            raise Refused(429, "too_many", "This key asks too often.", after=later)
        return who

    def _host(self, told: dict[str, str]) -> None:
        name = host_of(told.get("host", ""))
        if name not in self.settings.names:
            raise Refused(
                403,
                "host",
                f"This is not {shown(name)}.",
                hint="name it among the hosts of the settings, if it is",
            )

    def _origin(self, told: dict[str, str]) -> None:
        origin = told.get("origin")
        if origin is None or origin in self.settings.origins:
            return
        if origin in (f"http://{told['host']}", f"https://{told['host']}"):
            return
        raise Refused(
            403,
            "origin",
            f"Pages of {shown(origin)} may not ask.",
            hint="name it among the origins of the settings, if they may",
        )

    def _who(self, told: dict[str, str], address: str, free: bool) -> Who | None:
        keys, said = self.settings.keys, told.get("authorization", "")
        if not keys.any:
            return Who(EVERYBODY, "admin")
        kind, _, key = said.partition(" ")
        who = keys.who(key.strip()) if kind.lower() == "bearer" and key else None
        if who is not None or (free and not said):
            return who
        later = self.logins.take(address) if said else 0.0
        if later:
            raise Refused(429, "too_many", "Too many wrong keys.", after=later)
        message = "This key is not known." if said else "A key is needed."
        hint = "send the header `Authorization: Bearer KEY`"
        raise Refused(401, "key", message, field="Authorization", hint=hint)


class Answering:
    """A `send` that adds the request's id, and knows what was sent."""

    def __init__(self, send: Send, id: str) -> None:
        self.send, self.id, self.status, self.who = send, id, 0, ""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            own = [(b"x-request-id", self.id.encode()), (b"cache-control", b"no-store")]
            message = {**message, "headers": [*message.get("headers", []), *own]}
        await self.send(message)

    async def refuse(self, refused: Refused) -> None:
        """Nothing where an answer has begun."""
        if not self.status:
            await answered(self, "http.response", refused)


async def answered(send: Send, kind: str, refused: Refused) -> None:
    body = msgspec.json.encode(refused.problem)
    told = {"content-type": "application/json", "content-length": str(len(body))}
    if refused.status in (408, 413):
        told["connection"] = "close"  # what is left of the body is not read
    start = [(k.encode(), v.encode()) for k, v in (told | refused.headers).items()]
    await send({"type": f"{kind}.start", "status": refused.status, "headers": start})
    await send({"type": f"{kind}.body", "body": body})


async def deny(scope: Scope, send: Send, refused: Refused) -> None:
    """A WebSocket that was not accepted: in full, where the server can say it; else by a code."""
    if "websocket.http.response" in (scope.get("extensions") or {}):
        await answered(send, "websocket.http.response", refused)
    else:
        reason = refused.problem.message[:120]
        await send({"type": "websocket.close", "code": REFUSED, "reason": reason})


def headers(scope: Scope) -> dict[str, str]:
    """By their names in small letters; of several alike, the last."""
    return {k.decode("latin-1"): v.decode("latin-1") for k, v in scope["headers"]}


def named(scope: Scope) -> str:
    """The request's id: the sender's own, if it is one."""
    own = headers(scope).get("x-request-id", "")
    return own if REQUEST_ID.fullmatch(own) else token_hex(8)


def host_of(header: str) -> str:
    """The name alone: ``[::1]:80`` is ``::1``."""
    if "@" in header or "/" in header:
        return header
    try:
        return (urlsplit(f"//{header}").hostname or "").lower()
    except ValueError:
        return header


def unkeyed(scope: Scope) -> None:
    """Addresses end up in logs of every proxy. Raises Refused."""
    for name, _ in parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True):
        if name.lower() in SECRETS:
            raise Refused(
                400,
                "key_in_address",
                "A key never belongs in an address, where others log it: replace this one.",
                field=name.lower(),
                hint="send the header `Authorization: Bearer KEY`",
            )


async def within_limits(told: dict[str, str], receive: Receive, most: int, seconds: float) -> bytes:
    """The body. Raises Refused where it is too large or comes too slowly."""
    large = Refused(413, "too_large", f"A body has at most {most} bytes.", field="body")
    length = told.get("content-length", "0")
    if not length.isdecimal() or int(length[:20]) > most:
        raise large
    held = bytearray()
    try:
        async with within(seconds):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise Gone
                held += message.get("body", b"")
                if len(held) > most:
                    raise large
                if not message.get("more_body", False):
                    return bytes(held)
    except TimeoutError:
        raise Refused(408, "too_slow", f"The body took more than {seconds:g} s.") from None


def again(body: bytes, receive: Receive) -> Receive:
    """What was read, once more; then whatever comes."""
    waiting = [body]

    async def heard() -> Message:
        if waiting:
            return {"type": "http.request", "body": waiting.pop(), "more_body": False}
        return await receive()

    return heard


def acts(scope: Scope) -> bool:
    """Whether it changes what is served."""
    return bool(scope["method"] == "POST" and scope["path"] != "/api/v1/predict")


def told(scope: Scope, answer: Answering, seconds: float, settings: Settings) -> None:
    """A line of the log, and a number for who counts. The query is in neither."""
    if settings.heard is not None:
        settings.heard(scope["path"], answer.status, seconds)
    odd = answer.status >= 400 and answer.status not in CROWDED  # those are counted: no flood
    level = log.info if odd or acts(scope) else log.debug
    level(
        "request",
        id=answer.id,
        method=scope["method"],
        path=scope["path"][:200],
        status=answer.status,
        ms=round(seconds * 1e3, 3),
        who=answer.who,
    )
