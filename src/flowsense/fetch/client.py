"""Requests that are patient with a server: its rate, its Retry-After, its bad minutes."""

from collections.abc import Awaitable, Callable
from logging import getLogger
from pathlib import Path
from typing import Any, Self, TypeVar

import aiohttp

from flowsense.errors import InputError
from flowsense.sources.secret import Secret
from flowsense.store.atomic import replacing
from flowsense.wall import elapsed, pause

T = TypeVar("T")
log = getLogger("flowsense.fetch")
TRIES = 8
FIRST, MOST = 0.5, 60.0  # seconds before the second try, and before any
PIECE = 1 << 18  # bytes
SLOW = aiohttp.ClientTimeout(total=None, sock_connect=10.0, sock_read=60.0)
GOOD = (200, 206)  # 206: Databento's, where a part of what was asked for is not there
LATER = (418, 425, 429)  # and all above 499
DENIED = (401, 403)


class Client:
    """One server's, for one thing after the other.

    Args:
        rate: requests a minute, at most.
        key: shown to the server alone, in `headers`.
    """

    def __init__(
        self, base: str, *, rate: int, key: Secret | None = None, basic: bool = False
    ) -> None:
        self.base, self.every, self.key, self.free = base.rstrip("/"), 60.0 / rate, key, 0.0
        self.headers = {} if key is None else key.basic() if basic else key.bearer()

    async def __aenter__(self) -> Self:
        self.http = aiohttp.ClientSession(headers=self.headers, timeout=SLOW)
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.http.close()

    async def read(self, path: str) -> bytes:
        """The reply to a GET. Raises InputError."""
        return await self._ask("GET", path, None, lambda reply: reply.read())

    async def save(self, path: str, form: dict[str, str], file: Path) -> None:
        """The reply to a form that is posted, whole or not at all. Raises InputError."""

        async def kept(reply: aiohttp.ClientResponse) -> None:
            with replacing(file) as draft, draft.open("wb") as out:
                async for piece in reply.content.iter_chunked(PIECE):
                    out.write(piece)

        await self._ask("POST", path, form, kept)

    async def _ask(
        self,
        how: str,
        path: str,
        form: dict[str, str] | None,
        take: Callable[[aiohttp.ClientResponse], Awaitable[T]],
    ) -> T:
        why, wait, after = "", FIRST, 0.0
        for n in range(TRIES):
            if why:
                log.warning("%s: try %d of %d in %.3g s", why, n + 1, TRIES, after)
            await self._turn()
            after = wait
            try:
                async with self.http.request(
                    how, self.base + path, data=form, allow_redirects=False
                ) as reply:
                    if reply.status in GOOD:
                        return await take(reply)
                    why = await self._why(reply)
                    if reply.status not in LATER and reply.status < 500:
                        raise InputError(why)
                    after = retry_after(reply) or wait
            except (aiohttp.ClientError, OSError, TimeoutError) as error:
                why = f"{self.base}: {error or type(error).__name__}"
            wait = min(2 * wait, MOST)
            self.free = max(self.free, elapsed() + after)
        raise InputError(f"{why}; {TRIES} times: try again later, what has come is kept")

    async def _turn(self) -> None:
        now = elapsed()
        begin = max(self.free, now)
        self.free = begin + self.every
        await pause(begin - now)

    async def _why(self, reply: aiohttp.ClientResponse) -> str:
        """What a refusal says, on one line."""
        said = " ".join((await reply.text(errors="replace")).split())[:200]
        fix = ""
        if self.key is not None:
            said = self.key.hidden(said)
        if reply.status in DENIED:
            variable = self.key.variable if self.key else ""
            fix = f": set {variable} to a key that may" if variable else ""
        return f"{self.base}: answered {reply.status} {said or reply.reason}{fix}"


def retry_after(reply: Any) -> float:
    """Seconds; 0 where it does not say."""
    said = reply.headers.get("Retry-After", "")
    return float(said) if said.isdigit() and len(said) < 6 else 0.0
