"""From sockets to predictions, as others use it.

Feeds fill an inbox, turns empty it (`turns`), a model answers (`serving`), and who listens is told
(`audience`); `session` has what lives from a start to a stop. All share one loop; the engine works
on a thread of its own.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path

from flowsense.errors import InputError
from flowsense.serve import Explanation, Model, Prediction, Status, Swap
from flowsense.serve.asking import of_events, of_row
from flowsense.serve.audience import Audience, Listener
from flowsense.serve.config import PipelineConfig
from flowsense.serve.serving import Serving
from flowsense.serve.session import Session
from flowsense.serve.speaking import described
from flowsense.serve.swapping import Loaded
from flowsense.serve.tasks import Tasks
from flowsense.wall import Stamp, aside

UNKNOWN = ((), 0, (), (0, 0), 0, "")  # of a model, before it is loaded


class InferencePipeline:
    """A `serve.Service` fed by live venues.

    ::

        pipeline = InferencePipeline(PipelineConfig(Path("runs/btc"), ("binance-usdm:BTCUSDT",)))

        @pipeline.on_prediction
        async def heard(result):
            if result.should_trade:
                print(result.symbol, result.direction, result.confidence, result.position_size)

        await pipeline.start()
    """

    def __init__(self, config: PipelineConfig, now: Callable[[], int] | None = None) -> None:
        self.config, self.now = config, now or Stamp()
        self.state, self.why, self.started = "stopped", "", 0
        self.tasks = Tasks(self._failed)
        self.audience = Audience(config.kept, self.tasks)
        self.session = Session(config, self.audience, self.tasks, self.now)
        self.beginning: asyncio.Task[None] | None = None

    def on_prediction(self, listener: Listener) -> Listener:
        """Called with every prediction, on the loop; a coroutine function goes on beside it.

        What it raises stops the pipeline, which says why: a trader that fails is no trader.
        """
        self.audience.subscribe(listener)
        return listener

    def subscribe(
        self,
        hear: Callable[[Prediction], None],
        stale: Callable[[Prediction], None] | None = None,
    ) -> Callable[[], None]:
        return self.audience.subscribe(hear, stale)

    async def start(self) -> None:
        """Returns once the feeds connect. Raises InputError for what cannot be begun."""
        if self.state in ("starting", "running"):
            return
        self.state, self.why = "starting", ""
        self.beginning = asyncio.get_running_loop().create_task(self._begin())
        try:
            await self.beginning
        except BaseException as error:
            if self.state != "starting":
                raise InputError("the pipeline was stopped while it started") from error
            await self.session.close()
            self.state, self.why = "failed", str(error)
            raise
        self.state, self.started = "running", self.now()

    async def _begin(self) -> None:
        await self.session.close()  # what failed before may have left something
        self.session = Session(self.config, self.audience, self.tasks, self.now)
        await self.session.begin()

    async def stop(self) -> None:
        """All connections closed, all that has arrived taken in."""
        if self.state in ("running", "starting"):
            self.state = "stopping"
            if self.beginning is not None:
                self.beginning.cancel()
                await asyncio.wait({self.beginning})
            try:
                await self.session.finish()
            finally:
                self.state = "stopped"
                self.audience.ended()
                await self.session.close()
        elif self.state == "failed":
            await self.session.close()

    def _failed(self, why: str) -> None:
        """What fails beside stops the pipeline and is told: nothing goes on half."""
        self.state, self.why = "failed", why
        self.tasks.cancel()
        self.session.fail()
        self.audience.ended()

    async def reload(self, path: Path | None) -> Swap:
        """Tried beside what serves; in its place from one turn to the next."""
        if self.state != "running":
            raise InputError("the pipeline does not run: start it, then reload")
        return self.audience.swapped(await self.session.reload(path))

    @property
    def loaded(self) -> Loaded | None:
        """The model that answers now."""
        return self.session.serving.loaded if self.session.serving is not None else None

    def status(self) -> Status:
        turns, loaded = self.session.turns, self.loaded
        unknown = Model("", "", str(self.config.model), *UNKNOWN)
        return Status(
            state=self.state,
            why=self.why,
            started=self.started,
            predictions=self.audience.count,
            events=turns.events if turns is not None else 0,
            dropped=turns.inbox.dropped if turns is not None else 0,
            waiting=turns.inbox.waiting if turns is not None else 0,
            feeds=tuple(map(described, self.session.feeds)),
            model=loaded.about if loaded is not None else unknown,
        )

    def latest(self, symbol: str, venue: str = "") -> Prediction | None:
        """None before the first. Raises InputError for an instrument that is not heard."""
        return self.audience.latest(symbol, venue)

    def explain(self, symbol: str, venue: str = "") -> Explanation | None:
        return self.audience.explain(symbol, venue)

    def since(self, sequence: int) -> tuple[Prediction, ...]:
        return self.audience.since(sequence)

    async def of_events(self, events: bytes) -> tuple[Prediction, ...]:
        serving = self._serving()
        return await aside(partial(of_events, serving.bench, serving.loaded, events))

    async def of_row(self, columns: dict[str, float], symbol: str, venue: str = "") -> Prediction:
        loaded = self._serving().loaded
        return of_row(loaded.decisions, columns, self.now(), symbol, venue)

    def _serving(self) -> Serving:
        """Raises InputError where no model is loaded."""
        if self.session.serving is None:
            raise InputError("the pipeline does not run: start it")
        return self.session.serving
