"""What lives from a start to a stop: connections to venues, turns, and the model that answers."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import structlog

from flowsense.errors import InputError
from flowsense.live.feed import Feed
from flowsense.live.tables import instruments
from flowsense.schema import Instrument
from flowsense.serve import Swap
from flowsense.serve.audience import Audience
from flowsense.serve.config import PipelineConfig
from flowsense.serve.decisions import Decided
from flowsense.serve.inbox import Batch, Times
from flowsense.serve.resuming import resumed
from flowsense.serve.serving import Serving
from flowsense.serve.swapping import Bench, Loaded, warm
from flowsense.serve.tasks import Tasks
from flowsense.serve.turns import Turns
from flowsense.sources.venues import Heard, venue
from flowsense.sources.venues.decoder import Told
from flowsense.wall import aside, elapsed

log = structlog.get_logger("flowsense.serve")
LISTENING = 1.0  # seconds that listeners have for what they are told last


class Session:
    """Begun once, closed once or more often; what it spawns is among `tasks`."""

    def __init__(
        self,
        config: PipelineConfig,
        audience: Audience,
        tasks: Tasks,
        now: Callable[[], int],
    ) -> None:
        self.config, self.audience, self.tasks, self.now = config, audience, tasks, now
        self.feeds = list[Feed]()
        self.serving: Serving | None = None
        self.turns: Turns | None = None

    async def begin(self) -> None:
        """Returns once the feeds connect. Raises InputError."""
        wanted, found = self.config.wanted(), list[Instrument]()
        for name, symbols in wanted.items():
            found += await instruments(venue(name), symbols, self.config.addresses.get(name))
        table = tuple(found)
        bench, self.audience.table = Bench(table, self.config.settings, self.config.members), table
        loaded = await aside(partial(bench.load, self.config.model, self.now()))
        self.serving = Serving(bench, loaded)
        await aside(partial(warm, bench, bench.renewed(loaded)))
        self.turns = Turns(self.config, table, self.serving, self.now, self._tell)
        await self._resume(bench, loaded)
        self.feeds = [self._feed(name, k) for k, name in enumerate(wanted)]
        for feed in self.feeds:  # who was silent before is so until it speaks
            for k, one in feed.silence.items():
                one.stale = bool(self.serving.loaded.decisions.stale[k])
        self.tasks.spawn("turns", self.turns.run())
        for feed in self.feeds:
            self.tasks.spawn(f"the feed of {feed.venue.name}", feed.run())

    async def _resume(self, bench: Bench, loaded: Loaded) -> None:
        """From what the session before it has left beside the recording."""
        assert self.serving is not None and self.turns is not None
        if self.config.record is None:
            return
        try:
            found = await aside(partial(resumed, self.config.record, bench, loaded, self.now()))
        except InputError as error:
            log.warning("cold start", why=str(error))
            return
        if found is not None:
            self.serving.resume(found[0], int(found[1]["ts_recv"][0]))
            self.turns.inbox.put(found[1], Times(elapsed(), elapsed()))
            log.info("warm start", recording=str(self.config.record))

    def _feed(self, name: str, seed: int) -> Feed:
        assert self.turns is not None
        feed = Feed(
            venue(name),
            self.audience.table,
            lambda heard, told: self._hear(feed, heard, told),
            address=self.config.addresses.get(name),
            care=self.config.care,
            seed=seed,
            now=self.now,
            room=self.turns.room,
        )
        return feed

    def _hear(self, feed: Feed, heard: Heard | None, told: Told) -> None:
        """What nobody said was read as it is told."""
        if self.turns is not None:
            self.turns.hear(told, elapsed() if heard is None else feed.read)
            for observer in self.audience.observers if len(told.events) else ():
                observer.heard(told)

    def _tell(self, batch: Batch, decided: list[Decided], begun: float) -> None:
        assert self.serving is not None
        self.audience.tell(batch, decided, self.serving.loaded, begun)
        while self.serving.rolled:
            self.audience.swapped(self.serving.rolled.popleft())

    async def reload(self, path: Path | None) -> Swap:
        """Raises InputError before it has begun."""
        if self.serving is None or self.turns is None:
            raise InputError("the pipeline does not run: start it, then reload")
        return await self.serving.reload(path, self.turns.inbox.recent, self.now())

    async def end(self) -> None:
        """Nothing is heard any more, and nothing goes on beside."""
        await self.tasks.stop()
        self.fail()

    def fail(self) -> None:
        """Nothing comes next."""
        if self.serving is not None:
            self.serving.end()

    async def finish(self) -> None:
        """Ends; all that has arrived is taken in and told."""
        await self.end()
        if self.turns is not None:
            await self.turns.finish()
        await self.tasks.ended(LISTENING)

    async def close(self) -> None:
        """Ends; another may write to the lake."""
        await self.end()
        if self.turns is not None:
            await self.turns.end()
        if self.serving is not None:
            self.serving.loaded.decisions.voice.close()
        if self.turns is not None:
            await self.turns.close()
