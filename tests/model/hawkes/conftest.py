"""A process of three kinds, buys and sells alike, and the slowest way to its likelihood."""

import math

import numpy as np
import pytest
from excited import intensity

from flowsense.simulate.points import exponential, thinned

ALPHA = [[0.3, 0.1, 0.1], [0.1, 0.3, 0.1], [0.2, 0.2, 0.2]]


@pytest.fixture(scope="session")
def known():
    return exponential([0.5, 0.5, 1.0], ALPHA, 5.0)


@pytest.fixture(scope="session")
def points(known):
    return thinned(known, 2_000, np.random.default_rng(1))


@pytest.fixture
def slow():
    """The log-likelihood in n^2 steps, by its definition."""

    def value(points, process):
        total = -process.mu[:, 0].sum() * points.seconds
        for i, (ts, kind) in enumerate(zip(points.ts.tolist(), points.kind.tolist(), strict=True)):
            total += math.log(intensity(process, points, kind, ts, i))
            left = -np.expm1(-process.beta * (points.end - ts) * 1e-9)
            total -= (process.weight[:, kind] * left).sum()
        return total

    return value
