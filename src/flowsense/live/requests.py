"""Requests beside a stream: within the venue's rate, each again until it is answered.

The rate is that of the generic cell rate algorithm (ITU-T I.371): a quarter of a minute's requests
may be made at once, and the others evenly, so that no minute has more than are allowed.
"""

import asyncio
from collections.abc import Callable

import aiohttp

from flowsense.live.care import Care
from flowsense.wall import elapsed, pause, within

TOO_MANY = (418, 429)
LEAST = 0.001  # seconds; below its resolution a clock need not move
WAIT = 60.0  # seconds after a refusal that does not say for how long


class Requests:
    """Of one venue, over all connections to it: what it refuses us, it refuses to the next one too.

    `answered` gets key and body; a request that is under way is not made twice.
    """

    def __init__(
        self,
        http: aiohttp.ClientSession,
        base: str,
        rate: int,
        care: Care,
        answered: Callable[[str, bytes], None],
        headers: dict[str, str] | None = None,
    ) -> None:
        self.http, self.base, self.care, self.answered = http, base, care, answered
        self.headers = headers or {}
        ahead = rate // 4
        self.every = 60.0 / (rate - ahead)
        self.spare = ahead * self.every
        self.due = 0.0  # when the next would begin, were they even
        self.refused = 0.0  # until then
        self.turn = asyncio.Lock()  # whoever gives up while it waits takes no turn
        self.pending = set[str]()

    async def get(self, key: str, path: str) -> None:
        """Until it is answered. Whoever does not want it any more cancels it."""
        if key in self.pending:
            return
        self.pending.add(key)
        try:
            body, wait = None, 0.0
            while body is None:
                await self._turn(wait)
                body, wait = await self._try(path, max(wait, 0.25))
        finally:
            self.pending.discard(key)
        self.answered(key, body)

    async def _turn(self, wait: float) -> None:
        """At most so many a minute, and none while the venue wants none."""
        await pause(wait)
        async with self.turn:
            while (left := max(self.due - self.spare, self.refused) - elapsed()) > 0:
                await pause(max(left, LEAST))
            self.due = max(self.due, elapsed()) + self.every

    async def _try(self, path: str, wait: float) -> tuple[bytes | None, float]:
        """The body, or how long to wait."""
        try:
            async with (
                within(self.care.reply),
                self.http.get(self.base + path, headers=self.headers) as reply,
            ):
                if reply.status == 200:
                    return await reply.read(), 0.0
                if reply.status in TOO_MANY:
                    after = reply.headers.get("Retry-After", "")
                    later = elapsed() + (float(after) if after.isdecimal() else WAIT)
                    self.refused = max(self.refused, later)
        except (aiohttp.ClientError, OSError, TimeoutError):
            pass
        return None, min(2 * wait, self.care.most)
