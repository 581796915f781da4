"""Connections as uvicorn makes them, bounded where those are not: in bytes, in time, in number."""

import asyncio
import socket
from typing import Any

import msgspec
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request

from flowsense.serve.stream import GOING, LATER, SLOW
from flowsense.served import Problem
from flowsense.wall import later

# Bytes that the system and we hold for one listener; Linux doubles the first. However many more the
# listener's own system takes, one who does not read answers no ping.
BUFFER, UNSENT = 1 << 16, 1 << 15
HEAD, HEAD_S = 1 << 16, 10.0  # bytes of a request before its body, and seconds for them
CONNECTIONS = 2_000


def refusal(line: str, problem: Problem, *more: str) -> bytes:
    """A whole answer, after which the connection is closed."""
    body = msgspec.json.encode(problem)
    told = ("content-type: application/json", f"content-length: {len(body)}", *more)
    return "\r\n".join((f"HTTP/1.1 {line}", *told, "connection: close", "", "")).encode() + body


FULL = refusal(
    "503 Service Unavailable", Problem("full", "There are too many connections."), "retry-after: 1"
)
LONG = refusal(
    "431 Request Header Fields Too Large", Problem("too_large", f"A head has at most {HEAD} bytes.")
)
NONE = refusal("400 Bad Request", Problem("not_http", "This is no request of HTTP."))


class Hearing(HttpToolsProtocol):
    """HTTP."""

    head = 0  # bytes so far; -1: past it
    forget: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > CONNECTIONS:
            self._leave(FULL)
            return
        self.forget = later(HEAD_S, self._late)

    def connection_lost(self, exc: Exception | None) -> None:
        self._heard()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.head >= 0:
            self.head += len(data)
        super().data_received(data)
        if self.head > HEAD:
            self._leave(LONG)

    def send_400_response(self, msg: str) -> None:
        self._leave(NONE)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.head = max(self.head, 0)
        if self.forget is None:
            self.forget = later(HEAD_S, self._late)

    def on_headers_complete(self) -> None:
        self.head = -1
        self._heard()
        super().on_headers_complete()

    def _heard(self) -> None:
        if self.forget is not None:
            self.forget.cancel()
            self.forget = None

    def _late(self) -> None:
        self.forget = None
        self.transport.close()

    def _leave(self, answer: bytes) -> None:
        self._heard()
        if not self.transport.is_closing():
            self.transport.write(answer)
            self.transport.close()


class Listening(WebSocketsSansIOProtocol):
    """A WebSocket that can be closed though its listener takes nothing: uvicorn's own waits."""

    linger_s = 2.0

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        own = transport.get_extra_info("socket")
        if own is not None:
            own.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)
        transport.set_write_buffer_limits(high=UNSENT)

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if not self.handshake_complete:  # it was understood; the application has yet to see it
            self.scope["state"]["own"] = self

    def write(self, data: bytes) -> None:
        """Whole frames of ours; `writable` says whether there is room for more."""
        if not self.close_sent and not self.disconnected:
            self.transport.write(data)

    async def send(self, message: Any) -> None:
        """uvicorn's own logs a fault after every refusal in full, and raises after a `drop`."""
        if self.close_sent and message["type"] == "websocket.send":
            return
        await super().send(message)
        if message["type"] == "websocket.http.response.body" and not message.get("more_body"):
            self.handshake_complete = True

    def send_receive_event_to_app(self) -> None:
        """uvicorn's own logs a traceback for every text that is none."""
        try:
            if self.curr_msg_data_type == "text":
                b"".join(self.frames).decode()
        except UnicodeDecodeError:
            self.frames = []
            self.drop(1007, "This is no UTF-8.")
            return
        super().send_receive_event_to_app()

    def keepalive_timeout(self) -> None:
        """uvicorn's own closes with 1011, which tells nobody to come again."""
        self.pong_timer = self.pending_ping_payload = None
        self.drop(LATER, SLOW)

    def drop(self, code: int, reason: str) -> None:
        """Say why, and be gone soon, whether or not that is heard."""
        if self.close_sent or self.disconnected:
            return
        self.stop_keepalive()
        self.conn.send_close(code, reason)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        self.writable.set()
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()
        self.close_timer = later(self.linger_s, self.transport.abort)

    def shutdown(self) -> None:
        if self.handshake_complete and not self.close_sent:
            self.drop(GOING, "The server stops.")
        else:
            super().shutdown()
