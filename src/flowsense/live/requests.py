"""Requests beside a stream: within the venue's rate, each again until it is answered.

The rate is that of the generic cell rate algorithm (ITU-T I.371): a quarter of a minute's requests
may be made at once, and the others evenly, so that no minute has more than are allowed.
"""

import asyncio
from collections.abc import Callable
from email.utils import parsedate_to_datetime

import aiohttp

from flowsense.live.care import Care
from flowsense.live.refused import refused
from flowsense.schema import SECOND
from flowsense.sources.secret import Secret
from flowsense.sources.venues import Get, Venue
from flowsense.wall import elapsed, now_utc, pause, within

BANNED, TOO_MANY = 418, 429
# Seconds that a refusal is obeyed for, whatever it says: the longest ban that Binance knows, and
# for a rate an hour, after which one request is no load on anybody.
OBEYED = {BANNED: 3 * 86_400.0, TOO_MANY: 3_600.0}
UNKNOWN, DENIED, ELSEWHERE = 401, 403, 451
LEAST = 0.001  # seconds; below its resolution a clock need not move
WAIT = 60.0  # seconds after a refusal that does not say for how long


class Requests:
    """Of one venue, over all connections to it: what it refuses us, it refuses to the next one too.

    Args:
        base: address that paths stand behind.
        key: of ours, where the venue wants one.
        answered: gets key and body; a request that is under way is not made twice.
        failed: gets one line for each try that was not answered.
    """

    def __init__(
        self,
        http: aiohttp.ClientSession,
        venue: Venue,
        base: str,
        care: Care,
        key: Secret | None,
        answered: Callable[[str, bytes], None],
        failed: Callable[[str], None],
    ) -> None:
        self.http, self.venue, self.base, self.care = http, venue, base, care
        self.key, self.answered, self.failed = key, answered, failed
        self.headers = key.bearer() if key is not None else {}
        ahead = venue.requests // 4
        self.every = 60.0 / (venue.requests - ahead)
        self.spare = ahead * self.every
        self.due = 0.0  # when the next would begin, were they even
        self.refused = 0.0  # until then
        self.turn = asyncio.Lock()  # whoever gives up while it waits takes no turn
        self.pending = set[str]()

    async def get(self, ask: Get) -> None:
        """Until it is answered. Whoever does not want it any more cancels it. Raises Refused."""
        if ask.key in self.pending:
            return
        self.pending.add(ask.key)
        try:
            body, wait = None, 0.0
            while body is None:
                await self._turn(wait, ask.cost)
                body, wait = await self._try(ask.path, max(wait, 0.25))
        finally:
            self.pending.discard(ask.key)
        self.answered(ask.key, body)

    @property
    def barred(self) -> float:
        """Seconds for which the venue wants no request."""
        return max(self.refused - elapsed(), 0.0)

    async def _turn(self, wait: float, cost: float) -> None:
        """At most so many a minute, and none while the venue wants none."""
        await pause(wait)
        async with self.turn:
            while (left := max(self.due - self.spare, self.refused) - elapsed()) > 0:
                await pause(max(left, LEAST))
            self.due = max(self.due, elapsed()) + self.every * cost

    async def _try(self, path: str, wait: float) -> tuple[bytes | None, float]:
        """The body, or how long to wait."""
        try:
            async with (
                within(self.care.reply),
                self.http.get(self.base + path, headers=self.headers) as reply,
            ):
                if reply.status == 200:
                    return await reply.read(), 0.0
                return None, self._refused(reply, wait)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            self.failed(f"no reply to a request: {type(error).__name__}")
        return None, min(2 * wait, self.care.again)

    def _refused(self, reply: aiohttp.ClientResponse, wait: float) -> float:
        """How long to wait. Raises Refused where that would not help."""
        status = reply.status
        denied = status == DENIED and self.key is not None  # else it is a firewall's
        if denied or status in (UNKNOWN, ELSEWHERE):
            raise refused(self.venue.name, f"a request was answered with {status}", self.key)
        if status in (*OBEYED, DENIED):
            said = later(reply.headers.get("Retry-After", ""))
            obeyed = min(said, OBEYED.get(status, WAIT))
            self.refused = max(self.refused, elapsed() + obeyed)
            self.failed(f"a request was answered with {status}: none for {self.barred:.0f} s")
            return 0.0
        self.failed(f"a request was answered with {status}")
        return min(2 * wait, self.care.again if status >= 500 else self.care.most)


def later(said: str) -> float:
    """Seconds of a Retry-After, a number or a date (RFC 9110, 10.2.3); `WAIT` where it is neither.

    >>> later("7"), later("soon")
    (7.0, 60.0)
    """
    if said.isdecimal():
        return float(said)
    try:
        return max(parsedate_to_datetime(said).timestamp() - now_utc() / SECOND, 0.0)
    except (ValueError, OverflowError):
        return WAIT
