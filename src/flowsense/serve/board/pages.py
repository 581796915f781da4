"""Open pages: each with what waits for it, bounded, so that a slow one harms nobody.

A topic is a whole state: a newer one takes the place of one that waits. Columns are numbered: the
oldest make room, and the page asks for them again.
"""

import asyncio
from collections import deque
from collections.abc import Iterable

QUEUE = 256  # frames of columns that wait for a page
ANSWERS = 64  # frames that it has asked for again


class Page:
    """On the loop's thread alone."""

    def __init__(self, *, admin: bool) -> None:
        self.admin, self.instrument = admin, -1  # -1: it watches nothing yet
        self.states = dict[str, bytes]()
        self.columns = deque[bytes](maxlen=QUEUE)
        self.answers = deque[tuple[bool, bytes]](maxlen=ANSWERS)  # text, content
        self.ready, self.closing = asyncio.Event(), False

    def close(self) -> None:
        """It is told to go, once it has heard what waits."""
        self.closing = True
        self.ready.set()

    def tell(self, topic: str, content: bytes) -> None:
        self.states[topic] = content
        self.ready.set()

    def show(self, frames: Iterable[bytes]) -> None:
        self.columns.extend(frames)
        self.ready.set()

    def answer(self, frames: Iterable[bytes], *, text: bool = False) -> None:
        self.answers.extend((text, content) for content in frames)
        self.ready.set()

    def watch(self, instrument: int) -> None:
        """Nothing of another comes any more."""
        self.instrument = instrument
        self.columns.clear()
        self.answers.clear()
        for topic in ("votes", "book"):
            self.states.pop(topic, None)

    def take(self) -> tuple[bool, bytes] | None:
        """What to send next, and whether it is text: states first, in the order of their coming."""
        if self.states:
            return True, self.states.pop(next(iter(self.states)))
        if self.columns:
            return False, self.columns.popleft()
        if self.answers:
            return self.answers.popleft()
        self.ready.clear()
        return None
