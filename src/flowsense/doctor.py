"""Whether flowsense works on this machine: what is installed, then itself on a small market."""

import os
import platform
import sys
from collections.abc import Callable
from importlib import import_module
from typing import NamedTuple

from flowsense.errors import InputError

LIBRARIES = ("numpy", "scipy", "numba", "pyarrow", "polars", "xgboost", "matplotlib")
OLDEST = (3, 11)
SECONDS, EVENTS = 20, 1_200  # of the market; of them under the laws


class Check(NamedTuple):
    name: str
    works: bool
    said: str  # what was found, or what to do


def checks() -> dict[str, Callable[[], str]]:
    """By name; each gives what it found and raises what is wrong."""
    return {
        "python": python,
        "cores": cores,
        **{name: lambda name=name: version(name) for name in LIBRARIES},  # type: ignore[misc]
        "cache": cache,
        "compiler": compiler,
        "fold law": fold_law,
        "model": model,
    }


def run(name: str, check: Callable[[], str]) -> Check:
    """A check that fails says why; nothing it raises is let through."""
    try:
        return Check(name, True, check())
    except (AssertionError, ImportError, InputError, OSError, RuntimeError) as error:
        said = (str(error).strip().splitlines() or [type(error).__name__])[0]
        return Check(name, False, said)


def python() -> str:
    assert sys.version_info >= OLDEST, f"{platform.python_version()}: install 3.11 or newer"
    return f"{platform.python_version()} on {platform.system()} {platform.machine()}"


def cores() -> str:
    return f"{os.cpu_count()}"


def version(library: str) -> str:
    return str(import_module(library).__version__)


def cache() -> str:
    """Compiled code must be kept, or every start compiles."""
    from flowsense._jit import cache_folder
    from flowsense.store.atomic import ensure_writable

    ensure_writable(cache_folder())
    return str(cache_folder())


def compiler() -> str:
    """Seconds until the loop over events is ready: long the first time, short afterwards."""
    from flowsense.wall import Stopwatch

    with (watch := Stopwatch()):
        from flowsense.features.catalogue import spec
        from flowsense.features.fold import Fold

        Fold(spec(), ())
    return f"ready in {watch.seconds:.1f} s"


def fold_law() -> str:
    """Rows do not depend on how the stream is cut, saved or continued."""
    from flowsense.features.catalogue import spec
    from flowsense.simulate.market import Market, simulate
    from flowsense.testing import check_stream

    made = simulate(Market.tiny(), SECONDS, 0)
    check_stream(spec(), made.instruments, made.events[:EVENTS])
    return f"holds on {EVENTS:,} simulated events"


def model() -> str:
    """A model fits, and forecasts the same however its input is cut."""
    from flowsense.features.catalogue import spec
    from flowsense.forecast import Target
    from flowsense.model import Budget
    from flowsense.models import build
    from flowsense.simulate.market import Market, simulate
    from flowsense.testing import Recording, check_model, tape_of
    from flowsense.train.dataset import prepare

    made, features = simulate(Market.tiny(), SECONDS, 0), spec()
    source = Recording(made.instruments, made.events)
    data = prepare(source, features, (Target.parse("mid@1s"),))
    fitted = build("imbalance").fit(data, data.labels, seed=0, budget=Budget(1, 3.0))
    check_model(fitted, tape_of(features, made.instruments, made.events[:EVENTS]))
    return "fits and keeps the laws"
