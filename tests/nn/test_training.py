"""The loop, the export and the mirror: what PyTorch learns is what ONNX Runtime says."""

import numpy as np
import pytest
from lagged import TARGETS, Tapes, lagged, rows, tape

from flowsense.errors import InputError
from flowsense.model import Budget
from flowsense.models import build
from flowsense.nn.inputs import measured
from flowsense.nn.serving import opened

torch = pytest.importorskip("torch")
pytestmark = [pytest.mark.slow, pytest.mark.compiled]
BUILT = {
    "lstm": {"history": 6, "asked": 16, "batch": 16, "units": 8, "layers": 2, "heads": 2},
    "mlplob": {"history": 6, "batch": 64, "units": 8, "layers": 2},
}


@pytest.fixture(autouse=True)
def alike():
    """Weights and inputs are the same at every run."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


@pytest.fixture(scope="module")
def planted():
    return lagged(1_000)


def fit(name, planted, budget=None, seed=0, **more):
    return build(name, **(BUILT[name] | {"epochs": 2, "epoch": 5} | more)).fit(
        *planted, seed=seed, budget=budget or Budget()
    )


def forecast(model, of):
    return model.predict(model.init(of.instruments), of)[1]


@pytest.mark.parametrize("name", BUILT)
def test_the_side_turns_with_the_book_and_move_and_size_do_not(name, planted):
    model = fit(name, planted)
    inputs, session = model.fitted.inputs, opened(model.fitted.graph)
    x = np.random.default_rng(0).normal(0, 1, (2, 6, inputs.width)).astype(np.float32)
    there = x[..., inputs.source] * inputs.sign
    states = [np.zeros((2, *shape), np.float32) for shape in session.shapes[1:]]
    if model.streams:
        x, there = x[:, 0], there[:, 0]
    here, mirrored = session.run([x, *states])[0], session.run([there, *states])[0]
    np.testing.assert_allclose(mirrored, here * [-1, 1, 1], atol=1e-6)
    assert np.abs(here[..., 0]).max() > 1e-3


@pytest.mark.parametrize("name", BUILT)
def test_without_the_mirror_the_side_need_not_turn(name, planted):
    model = fit(name, planted, antisymmetric=False)
    session = opened(model.fitted.graph)
    inputs = [np.zeros((1, *shape), np.float32) for shape in session.shapes]
    assert np.abs(session.run(inputs)[0][..., 0]).max() > 1e-6


def test_steps_bound_epochs_and_the_seed_decides_the_rest(planted):
    one = fit("mlplob", planted, Budget(steps=1))
    assert (one.trained.epochs, one.trained.batches, one.trained.why) == (1, 5, "epochs")
    again, other = fit("mlplob", planted, Budget(steps=1)), fit("mlplob", planted, seed=1)
    assert again.params()["graph"].tobytes() == one.params()["graph"].tobytes()
    assert other.params()["graph"].tobytes() != one.params()["graph"].tobytes()


def test_a_fit_leaves_the_numbers_of_others_alone(planted):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    threads = torch.get_num_threads()
    fit("mlplob", planted)
    assert torch.equal(torch.rand(3), expected) and torch.get_num_threads() == threads


def test_one_batch_is_learned_when_the_seconds_are_spent(planted):
    model = fit("mlplob", planted, Budget(seconds=1e-6))
    assert (model.trained.batches, model.trained.why) == (1, "seconds")
    assert int(model.fitted.hold) == 10


def test_it_stops_when_later_rows_gain_no_more(planted):
    reader, told = planted
    dealt = np.random.default_rng(0).permutation(len(told.y))
    noise = told._replace(y=told.y[dealt], move=told.move[dealt])
    model = fit("mlplob", (reader, noise), epochs=40, epoch=4, patience=2, rate=0.05)
    assert model.trained.why == "patience"
    assert model.trained.best == model.trained.epochs - 2


def test_without_rows_to_stop_on_the_last_epoch_is_kept(planted):
    reader, told = planted
    model = fit("mlplob", (reader, told._replace(stop=None)))
    assert (model.trained.best, model.trained.why) == (2, "epochs")


@pytest.mark.parametrize("name", BUILT)
def test_a_net_is_ready_after_its_history(name, planted):
    of = tape(rows(40))
    found = forecast(fit(name, planted), of)
    who = of.rows[0].instrument
    nth = np.array([(who[: i + 1] == who[i]).sum() for i in range(len(who))])
    np.testing.assert_array_equal(found.ready[:, 0], nth >= 6)
    assert found.targets == TARGETS


@pytest.mark.parametrize("name", BUILT)
def test_an_absent_instrument_changes_nothing_of_another(name, planted):
    model, both = fit(name, planted), rows(60, absent=0.5)
    alone = tape(both.take(both.instrument == 0))
    here, there = forecast(model, tape(both)), forecast(model, alone)
    np.testing.assert_array_equal(here.proba[both.instrument == 0], there.proba)


def test_a_held_forecast_stands_for_rows_of_its_instrument(planted):
    model, of = fit("mlplob", planted), tape(rows(60))
    held = model.load(model.params() | {"hold": np.array(5)})
    each, some = forecast(model, of), forecast(held, of)
    for k in (0, 1):
        mine = np.flatnonzero(of.rows[0].instrument == k)
        last = [max(n // 5 * 5, 1) - 1 for n in range(1, len(mine) + 1)]
        ready = np.arange(len(mine)) >= 9
        np.testing.assert_array_equal(
            some.proba[mine[ready]], each.proba[mine[np.array(last)[ready]]]
        )


def test_a_held_forecast_does_not_depend_on_cuts(planted):
    model, whole = fit("mlplob", planted), rows(60)
    model = model.load(model.params() | {"hold": np.array(5)})
    state, parts, edges = model.init(tape(whole).instruments), [], whole.instants()
    for a, b in zip(edges[:-1:7], [*edges[7::7], edges[-1]], strict=False):
        state, part = model.predict(state, tape(whole.take(slice(a, b))))
        parts.append(part.proba)
    expected = forecast(model, tape(whole)).proba
    assert np.concatenate(parts).tobytes() == expected[: sum(map(len, parts))].tobytes()


def test_both_forms_of_a_net_that_streams_say_the_same(planted):
    from flowsense.nn import export
    from flowsense.nn.architectures.lstm import LstmNet

    net = LstmNet(5, 4, 2, layers=3, units=8, heads=4, dropout=0.5)
    graph = export.streaming(net, torch.randn(2, 30, 5))  # raises where they differ
    assert len(opened(graph).shapes) == 1 + 2 * 3 + 2


def test_a_step_that_differs_from_the_training_form_is_refused():
    from flowsense.nn import export
    from flowsense.nn.architectures.lstm import LstmNet

    class Wrong(LstmNet):
        def cell(self, layer, x, h, c):
            h, c = super().cell(layer, x, h, c)
            return 1.1 * h, c

    with pytest.raises(InputError, match=r"differ by .* on the same net"):
        export.streaming(
            Wrong(5, 4, 2, layers=1, units=8, heads=4, dropout=0.0), torch.randn(2, 9, 5)
        )


def test_the_book_is_read_instead_of_columns(planted):
    whole = rows(300, seed=3)
    whole.book["bid_px"], whole.book["ask_px"] = 9_990, 10_010
    reader = Tapes((tape(whole),))
    told = planted[1].take(slice(0, len(whole.ts)))
    assert measured(reader, told, True)[0].standard.shape == (3, 42, 2)
    model = fit("mlplob", (reader, told), book=True)
    assert np.isfinite(forecast(model, tape(whole)).proba).all()
