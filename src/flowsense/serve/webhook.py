"""Alerts as JSON to an address: again until it answers, never in the way of anything else.

The address is a secret: whoever has it can speak in our name. It is in no message, log or repr.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from random import Random
from urllib.parse import urlsplit

import aiohttp
import structlog

from flowsense.errors import InputError
from flowsense.serve.alerts import Alert
from flowsense.wall import pause, within

log = structlog.get_logger("flowsense.serve")
MOST = 100  # alerts that wait; then the oldest is dropped
TRIES = 8  # of one, in about two minutes
ANSWER_S = 5.0
FIRST_S, LONGEST_S = 1.0, 60.0
AGAIN = (408, 425, 429)  # besides what is the server's own fault


class Webhook:
    """`offer` from anywhere on the loop; `run` is a task that ends when it is cancelled.

    counted: called with what became of each: sent, retried, failed or dropped. Raises InputError
    for what is no address.
    """

    def __init__(
        self, address: str, *, counted: Callable[[str], None], service: str = "", seed: int = 0
    ) -> None:
        try:
            parts = urlsplit(address)
            sound = parts.scheme in ("http", "https") and bool(parts.hostname)
        except ValueError:
            sound = False
        if not sound:
            raise InputError("alerts: the webhook is no address: give one like https://HOST/PATH")
        self._address, self.counted, self.service = address, counted, service
        self.random, self.waiting, self.arrived = Random(seed), deque[Alert](), asyncio.Event()

    def __repr__(self) -> str:
        return "Webhook(...)"

    def offer(self, alert: Alert) -> None:
        """Never waits. One that waits already with the same rule and subject is replaced."""
        for k, other in enumerate(self.waiting):
            if other[:2] == alert[:2] and other.firing == alert.firing:
                self.waiting[k] = alert
                return
        if len(self.waiting) == MOST:
            self.waiting.popleft()
            self.counted("dropped")
        self.waiting.append(alert)
        self.arrived.set()

    async def run(self) -> None:
        timeout = aiohttp.ClientTimeout(total=None)
        async with aiohttp.ClientSession(timeout=timeout) as http:
            while True:
                await self.arrived.wait()
                while self.waiting:
                    await self._deliver(http, self.waiting.popleft())
                self.arrived.clear()

    async def _deliver(self, http: aiohttp.ClientSession, alert: Alert) -> None:
        """Until it is taken, refused for good, or tried often enough."""
        body = alert._asdict() | {"service": self.service}
        for k in range(TRIES):
            why, again = await self._post(http, body)
            if not why:
                self.counted("sent")
                return
            if not again:
                break
            if k + 1 < TRIES:
                self.counted("retried")
                wait = min(FIRST_S * 2**k, LONGEST_S)
                await pause(wait * (0.5 + 0.5 * self.random.random()))
        self.counted("failed")
        log.error("alert not delivered", rule=alert.rule, subject=alert.subject, why=why)

    async def _post(self, http: aiohttp.ClientSession, body: dict[str, object]) -> tuple[str, bool]:
        """Why it was not taken, "" where it was; and whether it may be taken later."""
        try:
            async with within(ANSWER_S):
                reply = await http.post(self._address, json=body, allow_redirects=False)
                reply.release()
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return type(error).__name__, True  # its text holds the address
        if reply.status < 300:
            return "", False
        return f"status {reply.status}", reply.status >= 500 or reply.status in AGAIN
