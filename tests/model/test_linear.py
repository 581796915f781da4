"""Newton's method against scipy, ridge against its closed form."""

import numpy as np
import pytest
from scipy.optimize import minimize

from flowsense.model.linear import RIDGE, chosen, log_loss, newton, ridge_regression


@pytest.fixture
def problem():
    rng = np.random.default_rng(3)
    A = rng.normal(size=(400, 5)).astype(np.float32)
    y = rng.random(400) < 1 / (1 + np.exp(-A @ [1.0, -0.5, 0, 0, 0.3]))
    return A, y, rng.uniform(0.5, 1.5, 400).astype(np.float32)


def test_newton_finds_what_scipy_finds(problem):
    A, y, w = problem
    penalty = np.array([4.0, 4, 4, 4, 0.1])

    def loss(b):
        margin = A.astype(float) @ b
        each = np.logaddexp(0, np.where(y, -margin, margin))
        return w @ each + 0.5 * penalty @ (b * b)

    slow = minimize(loss, np.zeros(5), tol=1e-12).x
    np.testing.assert_allclose(newton(A, y, w, np.zeros(5), penalty, 60), slow, atol=2e-3)


def test_without_terms_there_is_nothing_to_find(problem):
    A, y, w = problem
    assert newton(A[:, :0], y, w, np.zeros(0), np.zeros(0), 5).shape == (0,)


def test_the_ridge_is_the_best_on_the_rows_to_stop_on(problem):
    A, y, w = problem
    learn, stop = np.arange(200), np.arange(200, 400)
    b, offset, ridge = chosen(A, y, (learn, stop), w, True, 20)
    least = log_loss(A[stop], y[stop], w[stop], b)
    assert offset != 0.0
    for other in (1.0, 0.3, 0.1):
        penalty = np.full(5, other * 200)
        tried = newton(A[learn], y[learn], w[learn], np.zeros(5), penalty, 60)
        assert least <= log_loss(A[stop], y[stop], w[stop], tried) + 1e-3
    assert 0 < ridge < 0.3


def test_without_rows_to_stop_on_the_ridge_is_the_usual_one(problem):
    A, y, _ = problem
    b, offset, ridge = chosen(A, y, (np.arange(400), np.arange(0)), None, False, 5)
    assert (offset, ridge) == (0.0, RIDGE)
    assert b[0] > 0.3


def test_ridge_regression_has_its_closed_form(problem):
    A, _, _ = problem
    y = (A @ [2.0, 0, 0, 1, 0] + 5).astype(np.float32)
    b, offset, ridge = ridge_regression(A, y, (np.arange(400), np.arange(0)))
    Z = A - A.mean(axis=0)
    slow = np.linalg.solve(Z.T @ Z + ridge * 400 * np.eye(5), Z.T @ (y - y.mean()))
    np.testing.assert_allclose(b, slow, atol=1e-3)
    assert offset == pytest.approx(float(y.mean() - A.mean(axis=0) @ b), abs=1e-3)
