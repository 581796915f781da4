"""A client of a running flowsense: the same answers as data, and a stream that finds its way back.

::

    with Client("http://127.0.0.1:8000", key=os.environ["FLOWSENSE_KEY"]) as client:
        for message in client.stream(symbols=["BTCUSDT"]):
            if message.prediction is not None and message.prediction.should_trade:
                ...

`AsyncClient` has the same methods, to be awaited. Whatever is refused raises `ApiError`.
"""

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import urlencode

import httpx
import msgspec
import websockets.asyncio.client as asynchronous
import websockets.sync.client as synchronous
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from flowsense.served import (
    Answer,
    Explanation,
    Health,
    Hole,
    Message,
    Prediction,
    Problem,
    Status,
    Swap,
)
from flowsense.wall import Wall, pause

__all__ = ["ApiError", "AsyncClient", "Client", "Hole", "Message", "Prediction"]

T = TypeVar("T")
BASE, STREAM = "/api/v1", "/api/v1/predict/stream"
JSON, PARQUET = "application/json", "application/vnd.apache.parquet"
ARROW = "application/vnd.apache.arrow.stream"
FRAME = 1 << 22  # bytes of a message from the server
LEAVING = 0.1  # seconds for the server to say goodbye, where one stops listening
WAITS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)  # seconds before each try to come back, the last again
LATER = (409, 429, 500, 502, 503, 504)  # answers that may be others a little later
FAILED = 4500  # close code: the pipeline behind the stream has
FINAL = (1002, 1003, 1007, 1008, 1009, FAILED)  # coming back as one was would not help
Events = Iterable[Mapping[str, int]] | bytes


class ApiError(Exception):
    """What the server refused, or that it cannot be reached (code ``unreachable``, status 0)."""

    def __init__(self, problem: Problem, status: int = 0, after: float = 0.0) -> None:
        """after: seconds until it is worth another try; 0: nobody knows."""
        super().__init__(": ".join(filter(None, (problem.field, problem.message, problem.hint))))
        self.code, self.message, self.hint = problem.code, problem.message, problem.hint
        self.field, self.status, self.after = problem.field, status, after


class Call:
    """One request: what is sent, and as what the answer is read."""

    def __init__(self, method: str, path: str, body: Any = None, **query: int) -> None:
        self.method, self.path = method, path + (f"?{urlencode(query)}" if query else "")
        self.content: bytes | None = body
        self.kind = JSON
        if isinstance(body, bytes):
            self.kind = PARQUET if body[:4] == b"PAR1" else ARROW
        elif body is not None:
            self.content = msgspec.json.encode(body)

    @property
    def headers(self) -> dict[str, str]:
        return {} if self.content is None else {"content-type": self.kind}


def predict(
    instrument: str, venue: str, features: Mapping[str, float] | None, explain: bool = False
) -> Call:
    body: dict[str, Any] = {"instrument": instrument}
    body |= {"venue": venue} if venue else {}
    body |= {} if features is None else {"features": dict(features)}
    return Call("POST", f"{BASE}/predict", body, **({"explain": 1} if explain else {}))


def of_events(events: Events, instrument: str, venue: str) -> Call:
    if isinstance(events, bytes):
        return Call("POST", f"{BASE}/predict", events)
    body: dict[str, Any] = {"events": [dict(e) for e in events]}
    body |= {"instrument": instrument} if instrument else {}
    body |= {"venue": venue} if venue else {}
    return Call("POST", f"{BASE}/predict", body)


def reload(path: str) -> Call:
    return Call("POST", f"{BASE}/models/reload", {"path": path} if path else None)


def read(response: httpx.Response, kind: type[T], fine: Sequence[int] = (200,)) -> T:
    """Raises ApiError."""
    if response.status_code in fine:
        try:
            return msgspec.json.decode(response.content, type=kind)
        except msgspec.DecodeError as error:
            said = Problem("not_flowsense", f"The answer is not understood: {error}.")
            raise ApiError(said, response.status_code) from None
    after = response.headers.get("retry-after", "")
    seconds = float(after) if after.isdecimal() else 0.0
    raise ApiError(problem(response.content, response.status_code), response.status_code, seconds)


def problem(body: bytes, status: int) -> Problem:
    try:
        return msgspec.json.decode(body, type=Problem)
    except msgspec.DecodeError:
        return Problem("not_flowsense", f"The server answered {status}.", hint="check its address")


def unreachable(url: str, error: Exception) -> ApiError:
    message = f"{url} cannot be reached: {type(error).__name__}."
    return ApiError(Problem("unreachable", message, hint="is it running?"))


class Place:
    """Where in the stream a listener is, and how it comes back there."""

    def __init__(self, url: str, symbols: Sequence[str], since: int | None, format: str) -> None:
        self.url, self.format, self.since, self.tries = url, format, since, 0
        self.symbols = ",".join(symbols)
        self.again = False  # it was reached before, so that it is worth waiting for

    def reached(self) -> None:
        self.again = True

    @property
    def address(self) -> str:
        query = {"format": self.format} | ({"symbols": self.symbols} if self.symbols else {})
        query |= {"since": str(self.since)} if self.since is not None else {}
        return f"{self.url.replace('http', 'ws', 1)}{STREAM}?{urlencode(query)}"

    def heard(self, data: str | bytes) -> Message:
        self.tries = 0
        if isinstance(data, str):
            message = msgspec.json.decode(data, type=Message)
        else:
            message = msgspec.msgpack.decode(data, type=Message)
        if message.prediction is not None:
            self.since = message.prediction.sequence
        elif message.hole is not None:
            self.since = message.hole.next - 1
        return message

    def wait(self, error: Exception) -> float:
        """Seconds before the next try. Raises ApiError where there must be none."""
        if isinstance(error, InvalidStatus):
            status = error.response.status_code
            if not self.again or status not in LATER:
                raise ApiError(problem(bytes(error.response.body or b""), status), status) from None
        elif not self.again:
            raise unreachable(self.url, error) from None
        if isinstance(error, ConnectionClosed) and error.rcvd and error.rcvd.code in FINAL:
            kind = "failed" if error.rcvd.code == FAILED else "closed"
            said = Problem(kind, f"The stream was closed: {error.rcvd.reason}")
            raise ApiError(said) from None
        self.tries += 1
        return WAITS[min(self.tries, len(WAITS)) - 1]


LOST = (ConnectionClosed, InvalidHandshake, OSError, TimeoutError, EOFError)


class Client:
    """A session with one server.

    Args:
        url: like ``http://127.0.0.1:8000``.
        key: as the server knows it; none where it asks for none.
        timeout: seconds for each answer.
    """

    def __init__(
        self, url: str = "http://127.0.0.1:8000", *, key: str = "", timeout: float = 30.0
    ) -> None:
        self.url, self.key, self.timeout = url.rstrip("/"), key, timeout
        self.options = options(key)
        self.http = httpx.Client(base_url=self.url, headers=bearer(key), timeout=timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self.http.close()

    def latest(self, instrument: str, venue: str = "") -> Prediction:
        """Of what the pipeline saw last."""
        return self._ask(predict(instrument, venue, None), Answer).predictions[0]

    def explain(self, instrument: str, venue: str = "") -> Explanation:
        """Why the latest prediction is what it is."""
        found = self._ask(predict(instrument, venue, None, True), Answer).explanation
        assert found is not None  # the server promises it
        return found

    def predict(
        self, instrument: str, features: Mapping[str, float], venue: str = ""
    ) -> Prediction:
        """Of a row of features; columns that are left out are missing."""
        return self._ask(predict(instrument, venue, features), Answer).predictions[0]

    def predict_events(
        self, events: Events, instrument: str = "", venue: str = ""
    ) -> tuple[Prediction, ...]:
        """Of a recording: dicts with the names of schema.EVENT, or Arrow or Parquet as bytes."""
        return self._ask(of_events(events, instrument, venue), Answer).predictions

    def status(self) -> Status:
        return self._ask(Call("GET", f"{BASE}/models/status"), Status)

    def reload(self, path: str = "") -> Swap:
        """path: in the server's folder of models; none: the same again."""
        return self._ask(reload(path), Swap)

    def start(self) -> Status:
        return self._ask(Call("POST", f"{BASE}/pipeline/start"), Status)

    def stop(self) -> Status:
        return self._ask(Call("POST", f"{BASE}/pipeline/stop"), Status)

    def health(self) -> Health:
        """Also of a server that failed."""
        return self._ask(Call("GET", "/health"), Health, (200, 503))

    def stream(
        self, symbols: Sequence[str] = (), *, since: int | None = None, format: str = "msgpack"
    ) -> Iterator[Message]:
        """Every prediction from now on, or from a number; once it was reached it comes back by
        itself when cut off, where it was, and says so where something is lost. Raises ApiError;
        of code ``failed`` where the pipeline has, after all that it had said.
        """
        place = Place(self.url, symbols, since, format)
        while True:
            try:
                with synchronous.connect(place.address, **self.options) as socket:
                    place.reached()
                    while True:
                        yield place.heard(socket.recv())
            except LOST as error:
                Wall().sleep(int(place.wait(error) * 1e9))

    def _ask(self, call: Call, kind: type[T], fine: Sequence[int] = (200,)) -> T:
        try:
            said = self.http.request(
                call.method, call.path, content=call.content, headers=call.headers
            )
        except httpx.TransportError as error:
            raise unreachable(self.url, error) from None
        return read(said, kind, fine)


class AsyncClient:
    """The same as `Client`, awaited."""

    def __init__(
        self, url: str = "http://127.0.0.1:8000", *, key: str = "", timeout: float = 30.0
    ) -> None:
        self.url, self.key, self.timeout = url.rstrip("/"), key, timeout
        self.options = options(key)
        self.http = httpx.AsyncClient(base_url=self.url, headers=bearer(key), timeout=timeout)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self.http.aclose()

    async def latest(self, instrument: str, venue: str = "") -> Prediction:
        return (await self._ask(predict(instrument, venue, None), Answer)).predictions[0]

    async def explain(self, instrument: str, venue: str = "") -> Explanation:
        found = (await self._ask(predict(instrument, venue, None, True), Answer)).explanation
        assert found is not None  # the server promises it
        return found

    async def predict(
        self, instrument: str, features: Mapping[str, float], venue: str = ""
    ) -> Prediction:
        return (await self._ask(predict(instrument, venue, features), Answer)).predictions[0]

    async def predict_events(
        self, events: Events, instrument: str = "", venue: str = ""
    ) -> tuple[Prediction, ...]:
        return (await self._ask(of_events(events, instrument, venue), Answer)).predictions

    async def status(self) -> Status:
        return await self._ask(Call("GET", f"{BASE}/models/status"), Status)

    async def reload(self, path: str = "") -> Swap:
        return await self._ask(reload(path), Swap)

    async def start(self) -> Status:
        return await self._ask(Call("POST", f"{BASE}/pipeline/start"), Status)

    async def stop(self) -> Status:
        return await self._ask(Call("POST", f"{BASE}/pipeline/stop"), Status)

    async def health(self) -> Health:
        return await self._ask(Call("GET", "/health"), Health, (200, 503))

    async def stream(
        self, symbols: Sequence[str] = (), *, since: int | None = None, format: str = "msgpack"
    ) -> AsyncIterator[Message]:
        """As `Client.stream`."""
        place = Place(self.url, symbols, since, format)
        while True:
            try:
                async with asynchronous.connect(place.address, **self.options) as socket:
                    place.reached()
                    while True:
                        yield place.heard(await socket.recv())
            except LOST as error:
                await pause(place.wait(error))

    async def _ask(self, call: Call, kind: type[T], fine: Sequence[int] = (200,)) -> T:
        try:
            said = await self.http.request(
                call.method, call.path, content=call.content, headers=call.headers
            )
        except httpx.TransportError as error:
            raise unreachable(self.url, error) from None
        return read(said, kind, fine)


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"} if key else {}


def options(key: str) -> dict[str, Any]:
    """Of every connection to the stream."""
    return {
        "additional_headers": bearer(key),
        "max_size": FRAME,
        "close_timeout": LEAVING,
        "proxy": None,
    }
