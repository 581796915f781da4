"""Who answers for a model: the model itself, its members under a deadline, or a recording of them.

An ensemble that is served is asked member by member (`ensemble.panel`): those that raise, lie, hang
or are late are left out. What the clock decided then is repeated when the recording is replayed.
"""

from typing import Protocol

from flowsense.engine import Engine
from flowsense.ensemble.council import Answer, Replayed, rowless
from flowsense.ensemble.members import Ensemble
from flowsense.ensemble.panel import Panel, Rules
from flowsense.model.calibrated import Calibrated
from flowsense.schema import Events
from flowsense.sources import NO_EVENTS
from flowsense.tape import Tape
from flowsense.wall import Workers


class Voice(Protocol):
    @property
    def settled(self) -> bool:
        """Whether the engine's state has taken in all that was asked."""
        ...

    def ask(self, tape: Tape) -> Answer:
        """Of the next tape of the engine's fold; the engine's state follows."""
        ...

    def close(self) -> None: ...


class Own:
    """The model is asked as a whole: what one member does, all of it does."""

    settled = True

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def ask(self, tape: Tape) -> Answer:
        return Answer(self.engine.forecast(tape), (), "", NO_EVENTS)

    def close(self) -> None: ...


class Members:
    """Each member of an ensemble on its own, as long as it is waited for."""

    def __init__(
        self,
        engine: Engine,
        model: Calibrated,
        ensemble: Ensemble,
        rules: Rules,
        workers: Workers | None = None,
    ) -> None:
        table = engine.fold.instruments
        self.engine, self.model = engine, model
        self.panel = Panel(ensemble, table, rules, workers, engine.state)

    @property
    def settled(self) -> bool:
        return self.panel.settled

    def ask(self, tape: Tape) -> Answer:
        return asked(self.engine, self.model, self.panel, tape)

    def close(self) -> None:
        self.panel.close()


class Repeated:
    """As then: who was left out of a tape is left out of it again."""

    settled = True

    def __init__(self, engine: Engine, model: Calibrated, ensemble: Ensemble, quorum: int) -> None:
        table = engine.fold.instruments
        self.engine, self.model = engine, model
        self.then = Replayed(ensemble, table, quorum, engine.state)

    def obey(self, records: Events) -> None:
        self.then.obey(records)

    def ask(self, tape: Tape) -> Answer:
        return asked(self.engine, self.model, self.then, tape)

    def close(self) -> None: ...


def asked(engine: Engine, model: Calibrated, voice: Panel | Replayed, tape: Tape) -> Answer:
    """What members say, scaled as the ensemble is."""
    if engine.idle(tape) or (rowless(tape) and not len(tape.events)):
        return Answer(engine.silent, (), "", NO_EVENTS)
    answer = voice.ask(tape)
    engine.state = voice.state
    return answer._replace(forecast=model.apply(answer.forecast))
