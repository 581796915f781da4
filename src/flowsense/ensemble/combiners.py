"""Ways to combine by name, and both models and combiners as text that a checkpoint holds."""

import json
from dataclasses import fields, is_dataclass
from typing import Any, Protocol, Self, runtime_checkable

from flowsense.ensemble import Combiner
from flowsense.errors import InputError
from flowsense.model import Model
from flowsense.model.calibrated import Calibrated
from flowsense.models.settings import kind_of, rebuilt
from flowsense.models.settings import settings as stated
from flowsense.registry import Entry, load

COMBINERS: dict[str, Entry] = {
    "blend": Entry(
        "flowsense.ensemble.blend:Blend",
        "log-odds weighted by regime, weights learned (Genest & Zidek 1986)",
    ),
    "agree": Entry(
        "flowsense.ensemble.agree:Agree",
        "a side where enough members name it, 3 of 5 (Kuncheva 2004)",
    ),
    "select": Entry(
        "flowsense.ensemble.select:Select",
        "the member that is surest by its record (Cruz et al. 2018)",
    ),
    "stack": Entry(
        "flowsense.ensemble.stack:Stack",
        "boosted trees that correct the mean (Wolpert 1992)",
    ),
    "fallback": Entry(
        "flowsense.ensemble.fallback:Fallback",
        "the best of these, or one member where none is better",
    ),
    "adaptive": Entry(
        "flowsense.ensemble.adapt:Adaptive",
        "weights that follow settled outcomes (Vovk 1990; Herbster & Warmuth 1998)",
    ),
    "super": Entry(
        "flowsense.ensemble.super:Super",
        "the same for ten members or more, renewed every five minutes of the stream",
    ),
}
CALIBRATED = "calibrated"


@runtime_checkable
class Following(Protocol):
    """A combiner whose weights go on with outcomes, from where it was taught."""

    def anew(self) -> Self: ...


@runtime_checkable
class ByRegime(Protocol):
    """A combiner that wants to know what the regimes are called."""

    def in_regimes(self, names: tuple[str, ...]) -> Self: ...


def combiner(name: str, **config: Any) -> Combiner[Any]:
    """The combiner of that name, not yet fitted. Raises InputError."""
    found: Combiner[Any] = load("combiner", name, COMBINERS)(**config)
    return found


def in_regimes(of: Combiner[Any], names: tuple[str, ...]) -> Combiner[Any]:
    """The same, told what the regimes are called where it asks."""
    return of.in_regimes(names) if isinstance(of, ByRegime) and names else of


def anew(of: Combiner[Any]) -> Combiner[Any]:
    """The same, following from whatever row it begins with."""
    return of.anew() if isinstance(of, Following) else of


def told(what: Combiner[Any]) -> str:
    """A combiner as text; its fitted arrays are `params`. Raises InputError for no name."""
    return json.dumps({"combiner": name_of(what), "config": settings(what)})


def untold(text: str) -> Combiner[Any]:
    """The combiner that `told` wrote. Raises InputError."""
    about = parsed(text)
    return combiner(str(about["combiner"]), **tuples(about["config"]))


def described(model: Model[Any]) -> str:
    """A model as text, so that an empty one of its kind can be loaded; "" for what has no name."""
    inner = model.model if isinstance(model, Calibrated) else model
    try:
        about = {"model": kind_of(inner), "config": stated(inner)}
    except InputError:
        return ""
    return json.dumps(about | {CALIBRATED: isinstance(model, Calibrated)}) if kind_of(inner) else ""


def undescribed(text: str) -> Model[Any]:
    """The model that `described` wrote, not yet fitted. Raises InputError."""
    if not text:
        raise InputError("ensemble: a member is of no registered model: give it to Ensemble itself")
    about = parsed(text)
    found = rebuilt(str(about["model"]), about["config"])
    return Calibrated(found) if about[CALIBRATED] else found


def parsed(text: str) -> dict[str, Any]:
    try:
        about = json.loads(text)
    except ValueError as error:
        raise InputError(
            f"ensemble: {text[:60]!r} describes no part of it: fit it again"
        ) from error
    if not isinstance(about, dict) or "config" not in about:
        raise InputError(f"ensemble: {text[:60]!r} describes no part of it: fit it again")
    return about


def name_of(what: Combiner[Any]) -> str:
    """Its name in our registry, by its class. Raises InputError."""
    where = f"{type(what).__module__}:{type(what).__qualname__}"
    ours = {entry.where: name for name, entry in COMBINERS.items()}
    if where not in ours:
        raise InputError(f"combiner {where}: has no name, so that no checkpoint can hold it")
    return ours[where]


def settings(what: Any) -> dict[str, Any]:
    """Fields that are plain: numbers, texts, and tuples of texts."""
    assert is_dataclass(what)
    values = {f.name: getattr(what, f.name) for f in fields(what)}
    return {n: list(v) if isinstance(v, tuple) else v for n, v in values.items() if plain(v)}


def plain(value: object) -> bool:
    if isinstance(value, tuple):
        return all(isinstance(v, str) for v in value) and type(value) is tuple
    return isinstance(value, bool | int | float | str)


def tuples(config: dict[str, Any]) -> dict[str, Any]:
    """Lists, which JSON makes of tuples, as they were."""
    return {name: tuple(v) if isinstance(v, list) else v for name, v in config.items()}
