"""Orders beside a pipeline: predictions come on the loop, venues are spoken to on a thread."""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from flowsense.served import Prediction
from flowsense.trade.trader import Acted, Seen, Trader
from flowsense.wall import elapsed, now_utc, pause

T = TypeVar("T")
LOOK, BEAT, CHECK = 0.25, 20.0, 60.0  # s: at the switch, between heartbeats, between checks
AGAIN = 5.0  # s, between two checks that a venue does not answer


class Session:
    """One at a time; while a venue is waited for, of each asset the latest prediction waits."""

    def __init__(
        self,
        trader: Trader,
        tell: Callable[[Acted], None],
        now: Callable[[], int] = now_utc,
    ) -> None:
        self.trader, self.desk, self.tell, self.now = trader, trader.desk, tell, now
        self.waiting = dict[str, tuple[Prediction, Mapping[str, Seen]]]()
        self.more = asyncio.Event()
        self.halted = ""
        self.heard = self.acted_on = 0  # predictions
        self.vetoes = Counter[str]()

    def hear(self, said: Prediction, seen: Mapping[str, Seen]) -> None:
        """On the loop; returns at once."""
        self.heard += 1
        self.acted_on += said.should_trade
        self.vetoes.update(said.vetoes)
        self.waiting[f"{said.venue}:{said.symbol}"] = said, seen
        self.more.set()

    async def run(self) -> None:
        """Until cancelled. Raises InputError where nothing can be written down any more."""
        with ThreadPoolExecutor(1, "flowsense orders") as pool:
            self.pool = pool
            tasks = [asyncio.ensure_future(work) for work in (self._turns(), self._look())]
            try:
                await asyncio.gather(*tasks)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                await self._aside(self.desk.leave)

    async def _turns(self) -> None:
        while True:
            await self.more.wait()
            self.more.clear()
            while self.waiting:
                await self._act(*self.waiting.pop(next(iter(self.waiting))))

    async def _act(self, said: Prediction, seen: Mapping[str, Seen]) -> None:
        now = self.now()  # of the loop, whose clock is the stream's
        acted = await self._aside(lambda: self.trader.hear(said, seen, now))
        if acted is not None:
            self.tell(acted)

    async def _look(self) -> None:
        """At the switch, which somebody may throw; at the venues, whatever is predicted."""
        beaten = checked = elapsed()
        await self._aside(self.desk.beat)
        while True:
            await pause(LOOK)
            why = self.desk.halted
            if why and not self.halted:
                await self._aside(partial(self.desk.halt, why))
            self.halted = why
            if elapsed() - beaten >= BEAT:
                beaten = elapsed()
                await self._aside(self.desk.beat)
            if elapsed() - checked >= (CHECK if self.desk.silent is None else AGAIN):
                checked = elapsed()
                await self._aside(self.desk.check)

    async def _aside(self, work: Callable[[], T]) -> T:
        """What has begun is done to its end: who leaves waits for it."""
        return await asyncio.shield(asyncio.get_running_loop().run_in_executor(self.pool, work))
