"""How much of an answer each member has, where a combiner goes by weights."""

from typing import Any

import numpy as np

from flowsense.ensemble import Combiner
from flowsense.ensemble.adapt import Adaptive
from flowsense.ensemble.blend import SIDE, Blend
from flowsense.ensemble.fallback import Fallback
from flowsense.ensemble.states import part
from flowsense.ensemble.super import Super
from flowsense.model.sides import Floats


def shares(
    combiner: Combiner[Any], state: Any, names: tuple[str, ...], target: int
) -> dict[str, float]:
    """Of the target at this place, as of a state of the combiner: the members' shares, which add up
    to 1. Those of all regimes together. Empty where members are heard by something else.
    """
    found = weights(combiner, state, target, len(names))
    whole = 0.0 if found is None else float(np.abs(found).sum())
    if found is None or not whole > 0:
        return {}
    return dict(zip(names, (np.abs(found) / whole).tolist(), strict=True))


def weights(one: Combiner[Any], state: Any, t: int, members: int) -> Floats | None:
    """(N,) of the members; None where there are none."""
    if isinstance(one, Fallback) and one.choice is not None:
        k, tried = int(one.choice.heard[t]), len(one.tried)
        if k >= tried:
            return np.asarray(np.eye(members)[k - tried])
        return weights(one.tried[k], part(state, k), t, members)
    if isinstance(one, Super):
        return of_all(one.following(), part(state, 1).logs, t)
    if isinstance(one, Adaptive):
        return of_all(one, part(state, 2).logs, t)
    if isinstance(one, Blend) and one.fitted is not None:
        return np.asarray(one.fitted.usual @ one.fitted.weight[SIDE, :, :, t])
    return None


def of_all(one: Adaptive, logs: Floats, t: int) -> Floats:
    """logs (R * T, N): those that all rows together leave are the last."""
    T = len(logs) // one.tables
    return np.asarray(np.exp(logs[(one.tables - 1) * T + t]))
