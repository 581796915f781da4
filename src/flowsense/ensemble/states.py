"""States of several models as one, and arrays of several as those of one."""

from collections import namedtuple
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import accumulate, chain, pairwise
from typing import Any

from numpy.typing import NDArray

from flowsense.model import Model
from flowsense.tape import Needs

Params = dict[str, NDArray[Any]]


@cache
def kind(parts: tuple[Any, ...]) -> Any:
    """A flat state that is made of states of these types, and knows them: ``m0_place``, ..."""
    fields = [f"m{k}_{name}" for k, own in enumerate(parts) for name in own._fields]
    ends = accumulate((len(own._fields) for own in parts), initial=0)
    about = {"parts": parts, "places": tuple(pairwise(ends)), "__slots__": ()}
    return type("Pooled", (namedtuple("Flat", fields),), about)


def joined(states: list[Any]) -> Any:
    """The states of all parts as one."""
    return kind(tuple(map(type, states)))._make(chain.from_iterable(states))


def part(state: Any, k: int) -> Any:
    """The state of part k."""
    of = type(state)
    return of.parts[k]._make(state[slice(*of.places[k])])


def numbered(each: Sequence[Mapping[str, NDArray[Any]]]) -> Params:
    """The arrays of all parts: those of part k are named ``k/...``."""
    return {f"{k}/{name}": values for k, of in enumerate(each) for name, values in of.items()}


def own(params: Params, k: int) -> Params:
    """The arrays of part k."""
    found = (name.split("/", 1) for name in params if "/" in name)
    return {name: params[f"{who}/{name}"] for who, name in found if who == str(k)}


def united(models: Sequence[Model[Any]]) -> Needs:
    """What any of them needs."""
    each = [model.needs for model in models] or [Needs()]
    return Needs(
        events=any(one.events for one in each),
        history=max(one.history for one in each),
        back_ns=max(one.back_ns for one in each),
        clocks=max(one.clocks for one in each),
        instruments="all" if any(one.instruments == "all" for one in each) else "one",
    )
