"""The WebSocket of a page: what it is told goes out as it comes, what it asks comes in."""

import msgspec
from fastapi import WebSocket
from starlette.websockets import WebSocketDisconnect

from flowsense.serve.board.board import Board
from flowsense.serve.board.pages import Page
from flowsense.serve.board.told import Ask
from flowsense.serve.problems import Refused
from flowsense.serve.rates import Rates
from flowsense.serve.settings import Limits
from flowsense.serve.tasks import first
from flowsense.wall import within

PATH, PROTOCOL = "/api/v1/board", "flowsense.board.v1"
MOST = 50  # pages at once
ASKS, BURST = 20.0, 100.0  # messages of a page, per second and at once
GOING, UNKNOWN, LATER = 1001, 1008, 1013  # close codes


async def page_of(socket: WebSocket, board: Board, limits: Limits, *, admin: bool) -> None:
    """One page, until it goes, stalls or asks too much. Raises Refused before it is accepted."""
    if PROTOCOL not in socket.scope["subprotocols"]:
        hint = f"offer the subprotocol {PROTOCOL}"
        raise Refused(426, "protocol", "This is the dashboard's own stream.", hint=hint)
    if len(board.pages) >= MOST:
        raise Refused(503, "full", "There are too many pages.", after=1.0)
    page = board.join(admin=admin)
    try:
        await socket.accept(subprotocol=PROTOCOL)
        ended = await first(tell(socket, page, limits.send_s), listen(socket, page, board))
        await socket.close(*ended)
    except (WebSocketDisconnect, RuntimeError):
        return  # it is gone
    finally:
        board.leave(page)


async def tell(socket: WebSocket, page: Page, seconds: float) -> tuple[int, str]:
    """-> close code and reason."""
    try:
        while True:
            taken = page.take()
            if page.closing and taken is None:
                return GOING, "The server stops."
            if taken is None:
                await page.ready.wait()
                continue
            text, content = taken
            async with within(seconds):
                if text:
                    await socket.send_text(content.decode())
                else:
                    await socket.send_bytes(content)
    except TimeoutError:
        return LATER, "You took nothing for too long."


async def listen(socket: WebSocket, page: Page, board: Board) -> tuple[int, str]:
    """-> close code and reason."""
    rates = Rates(ASKS, BURST)
    while True:
        message = await socket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", GOING))
        if rates.take(""):
            return LATER, "You ask too much."
        try:
            ask = msgspec.json.decode(message.get("text") or "", type=Ask, strict=True)
        except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
            return UNKNOWN, "This is nothing that a page may ask."
        board.asked(page, ask)
