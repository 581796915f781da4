"""What a model was asked to be, as plain values and as text, and the model that these make.

A setting is a field that is declared to hold numbers, truth values or texts, one or a tuple of
them, and a field that holds a model. All else was put there by a fit, and is no setting.
"""

import re
from collections.abc import Iterator
from dataclasses import MISSING, Field, fields, is_dataclass
from math import isfinite
from typing import Any, TypeGuard

import numpy as np

from flowsense.errors import InputError
from flowsense.model import Model
from flowsense.model.estimator import keywords
from flowsense.models import BESIDE, MODELS, OVER, build
from flowsense.registry import load, names, unknown
from flowsense.store.arrays import first_line

SIMPLE = frozenset(("bool", "int", "float", "str", "None", "tuple"))
CALLED = re.compile(r"([^\W\d][\w-]*)\s*(\(.*\))?", re.DOTALL)


def kind_of(model: object) -> str:
    """Its name in the registry, by its class; "" where nobody has registered it."""
    where = f"{type(model).__module__}:{type(model).__qualname__}"
    for name, entry in (MODELS | OVER | BESIDE).items():
        if entry.where == where:
            return name
    others = (name for name in names("model", MODELS) if name not in MODELS)
    return next((name for name in others if type(build(name)) is type(model)), "")


def name_of(model: object) -> str:
    """What it is called in a run: as it is registered, else its class in snake case."""
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", type(model).__name__)
    return kind_of(model) or snake.lower()


def settings(model: object) -> dict[str, Any]:
    """By name, as JSON holds them; a model among them is its name and its own settings.

    Raises InputError for one that no checkpoint can hold.
    """
    return {
        f.name: plain(getattr(model, f.name), f"{name_of(model)}: {f.name}")
        for f in fields_of(model)
        if declared(f) or simple(getattr(model, f.name)) or is_model(getattr(model, f.name))
    }


def plain(value: object, of: str) -> Any:
    """Raises InputError, which begins with whose it is."""
    if isinstance(value, np.generic):
        value = value.item()
    if is_model(value):
        if not (kind := kind_of(value)):
            raise InputError(
                f"{of}: {type(value).__name__} is not registered, so that no checkpoint can hold "
                "it: name it as an entry point of flowsense.models"
            )
        return {"model": kind, "config": settings(value)}
    if isinstance(value, tuple | list):
        return [plain(one, of) for one in value]
    if isinstance(value, float) and not isfinite(value):
        raise InputError(f"{of} is {value}: give a finite number")
    if value is None or simple(value):
        return value
    raise InputError(f"{of} is {str(value)[:40]!r}: give a number, a text or a truth value")


def rebuilt(kind: str, config: dict[str, Any]) -> Model[Any]:
    """The model of these `settings`, not yet fitted. Raises InputError for those of no version."""
    try:
        return build(kind, **{name: restored(value) for name, value in config.items()})
    except TypeError as error:
        why = f"settings of another version ({first_line(error)}): train again"
        raise InputError(f"{kind}: {why}") from error


def restored(value: Any) -> Any:
    """What `plain` was given; lists, which JSON makes of tuples, are tuples."""
    if isinstance(value, dict):
        return rebuilt(str(value["model"]), value["config"])
    return tuple(map(restored, value)) if isinstance(value, list) else value


def text_of(model: object) -> str:
    """As `made` reads it: settings that are not the usual, a model among them as text."""
    usual = {f.name: default(f) for f in fields_of(model)}
    said = [
        f"{name}={(text_of(value) if is_model(value) else value)!r}"
        for name, told in settings(model).items()
        if is_model(value := getattr(model, name)) or restored(told) != usual[name]
    ]
    return name_of(model) + (f"({', '.join(said)})" if said else "")


def made(text: str) -> Model[Any]:
    """``hmm``, or ``hmm(preset="three")``: literal values, nothing is called in them.

    Raises InputError for a name or a setting that there is not, with the closest that there is.
    """
    match = CALLED.fullmatch(text.strip())
    if match is None:
        raise InputError(f"model {text!r}: write NAME or NAME(setting=1)")
    if match[1] not in (known := names("model", MODELS | OVER)):
        raise InputError(unknown("model", match[1], known))
    try:
        given = keywords(match[2] or "()")
    except (SyntaxError, ValueError) as error:
        why = "write settings like layers=2, preset='three'"
        raise InputError(f"model {text!r}: {first_line(error)}: {why}") from error
    made_by = load("model", match[1], MODELS | OVER)
    there = {f.name: f for f in fields_of(made_by) if f.init and (declared(f) or modelled(f))}
    for name, value in given.items():
        if name not in there:
            raise InputError(f"model {text!r}: {unknown('setting', name, tuple(there))}")
        kinds = {"str"} if modelled(there[name]) else words(there[name])
        if not fits(value, kinds):
            asked = " or ".join(sorted(kinds))
            raise InputError(f"model {text!r}: {name} is {value!r}: give {asked}")
    config = {n: made(v) if modelled(there[n]) else restored(v) for n, v in given.items()}
    return build(match[1], **config)


def parts(model: object) -> Iterator[Model[Any]]:
    """The models that it is made of."""
    for f in fields_of(model):
        value = getattr(model, f.name)
        yield from (one for one in (value if type(value) is tuple else (value,)) if is_model(one))


def fields_of(model: Any) -> tuple[Field[Any], ...]:
    """None of what is no dataclass."""
    return fields(model) if is_dataclass(model) else ()


def is_model(value: object) -> TypeGuard[Model[Any]]:
    return isinstance(value, Model) and not isinstance(value, type)


def simple(value: object) -> bool:
    return isinstance(value, bool | int | float | str)


def words(of: Field[Any]) -> set[str]:
    """Of what it is declared to hold."""
    kind: Any = of.type
    return set(re.findall(r"\w+", kind.__name__ if isinstance(kind, type) else str(kind)))


def declared(of: Field[Any]) -> bool:
    return words(of) <= SIMPLE


def modelled(of: Field[Any]) -> bool:
    return {"Model"} <= words(of) and not {"tuple", "None"} & words(of)


def fits(value: object, kinds: set[str]) -> bool:
    if isinstance(value, tuple | list):
        return "tuple" in kinds and all(fits(one, kinds - {"tuple"}) for one in value)
    kind = "None" if value is None else type(value).__name__
    return kind in kinds or (kind == "int" and "float" in kinds)


def default(of: Field[Any]) -> Any:
    if of.default_factory is not MISSING:
        return of.default_factory()
    return of.default
