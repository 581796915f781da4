"""Everything that nets share but the module: settings, the fit, forecasts, what is stored."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field, fields, replace
from importlib import import_module
from typing import Any, NamedTuple, Self

from numpy.typing import NDArray

from flowsense.errors import InputError
from flowsense.forecast import Forecast, Target
from flowsense.labels import Labels
from flowsense.model import Budget
from flowsense.model.instruments import arrays
from flowsense.nn import streamed, windowed
from flowsense.nn.fitted import Fitted
from flowsense.schema import Instrument
from flowsense.tape import Needs, Reader, Tape


class Shape(NamedTuple):
    """What a module is built for."""

    width: int  # D inputs of a row
    history: int  # rows that are read, or that a streaming net looks back on
    targets: int  # T


@dataclass(frozen=True, slots=True)
class Net(ABC):
    """A frozen dataclass of settings, and the numbers of a fit.

    A final class names its module and says whether it is a window net or streams.
    """

    history: int = 50  # rows of an instrument that are read, or looked back on
    book: bool = False  # reads the levels of the book, not the columns
    antisymmetric: bool = True  # the side is f(x) - f(mirror x)
    asked: int = 1  # rows of a stretch that are answered for: more than 1 where the net streams
    epochs: int = 40  # at most; each ends with a look at the rows to stop on
    epoch: int = 50  # batches
    batch: int = 128  # stretches
    rate: float = 1e-3  # greatest learning rate
    decay: float = 0.1  # of the weights
    patience: int = 6  # epochs without gain
    device: str = "cpu"  # to train on: cpu or cuda; forecasts are made on the CPU
    int8: bool = False  # large matrices of a net that streams, in forecasts
    fitted: Fitted | None = None
    trained: Any = field(default=None, compare=False)  # loop.Trained, of the fit in this process

    def __post_init__(self) -> None:
        """Raises InputError for sizes and rates that no net has."""
        for f in fields(self):
            value, least = getattr(self, f.name), 1 if f.type is int else 0
            if f.type in (int, float) and not least <= value < float("inf"):
                said = f"{type(self).__name__.lower()}: {f.name} {value}"
                raise InputError(f"{said}: give {least} or more")
            if f.name == "dropout" and value >= 1:
                raise InputError(f"{type(self).__name__.lower()}: dropout {value}: give below 1")

    @property
    @abstractmethod
    def streams(self) -> bool:
        """Whether the module has a step."""

    @property
    def across(self) -> bool:
        """Whether a window net reads all instruments of an instant at once.

        Its module maps x (B, K, H, D) and who is there (B, K) -> (B, K, T, 3).
        """
        return False

    @property
    def bands(self) -> tuple[int, ...]:
        """How many seconds, and minutes, that have ended a net looks back on; none: no clock.

        Its module is also called with rows as `frames.Frames` packs them.
        """
        return ()

    @abstractmethod
    def module(self, shape: Shape) -> Any:
        """The PyTorch module, imported here: x (B, H, D) -> (B, T, 3).

        One that streams maps x (B, L, D) -> (B, L, T, 3) from an empty state (or says only the
        last L - H + 1 rows), and has
        `step` (x (B, D), *states) -> (out (B, T, 3), *states) and `states`, the shape of each
        state of one instrument; they begin as zeros.
        """

    @property
    def needs(self) -> Needs:
        return Needs(history=self.history, instruments="all" if self.across else "one")

    @property
    def targets(self) -> tuple[Target, ...]:
        return self.fitted.known.targets if self.fitted else ()

    def fit(self, reader: Reader, labels: Labels, *, seed: int, budget: Budget) -> Self:
        """Steps of the budget bound epochs. Raises InputError where PyTorch is not installed."""
        fitting = needs_torch("flowsense.nn.fitting", type(self).__name__)
        fitted, trained = fitting.fit(self, reader, labels, seed=seed, budget=budget)
        return replace(self, fitted=fitted, trained=trained)

    def init(self, instruments: tuple[Instrument, ...]) -> Any:
        return (streamed if self.streams else windowed).init(self.fitted, instruments)

    def predict(self, state: Any, tape: Tape) -> tuple[Any, Forecast]:
        if self.fitted is None:
            raise InputError(f"{type(self).__name__}: fit or load it before it predicts")
        if self.streams:
            return streamed.predict(self.fitted, state, tape)
        return windowed.predict(self.fitted, state, tape, across=self.across)

    def params(self) -> dict[str, NDArray[Any]]:
        return arrays(self.fitted) if self.fitted else {}

    def load(self, params: dict[str, NDArray[Any]]) -> Self:
        return replace(self, fitted=Fitted.load(params), trained=None)


def ensure_shared(who: str, number: int, heads: int, of: str = "units") -> None:
    """Raises InputError where heads of attention would not be alike."""
    if number % heads:
        raise InputError(
            f"{who}: {number} {of} cannot be shared by {heads} heads: give a multiple of the heads"
        )


def needs_torch(module: str, who: str) -> Any:
    """A module that imports PyTorch at its top. Raises InputError where that is not installed."""
    try:
        return import_module(module)
    except ModuleNotFoundError as missing:
        if (missing.name or "").split(".")[0] not in ("torch", "onnx", "onnxscript"):
            raise
        fix = "pip install 'flowsense[torch]'"
        raise InputError(f"{who}: {missing.name} is needed to fit it: {fix}") from missing
