"""Models as they were asked to be: as text, as plain values, and made of these again."""

from dataclasses import dataclass
from importlib.metadata import EntryPoint

import numpy as np
import pytest

from flowsense.ensemble.members import Ensemble
from flowsense.ensemble.residual import Residual
from flowsense.errors import InputError
from flowsense.model.calibrated import Calibrated
from flowsense.models import MODELS, asked, build
from flowsense.models.graph import Graph
from flowsense.models.hawkes import Hawkes
from flowsense.models.hmm import Hmm
from flowsense.models.nulls import Majority
from flowsense.models.settings import kind_of, made, rebuilt, settings, text_of
from flowsense.models.transformer import Transformer

BOTH = Residual(build("logistic", most=500), Transformer(layers=2), folds=3)


@dataclass(frozen=True)
class OrderFlowNet(Majority):
    """Of nobody's registry."""


def test_models_are_named_as_they_are_registered_or_by_their_class_and_numbered():
    given = [Hmm(preset="three"), "hmm", BOTH, OrderFlowNet(), Calibrated(Hmm(starts=2)), "hmm"]
    found = asked(given)
    assert list(found) == ["hmm", "hmm-2", "residual", "order_flow_net", "hmm-3"]
    assert found["hmm"].preset == "three" and found["hmm-2"] == Hmm()
    assert found["residual"] is BOTH and found["hmm-3"].starts == 2


def test_models_of_other_parts_are_not_taken_for_one():
    one, other = Ensemble((build("vote"),)), Ensemble((build("logistic"),))
    assert list(asked([one, other, one])) == ["ensemble", "ensemble-2"]


def test_a_model_of_another_package_is_called_as_it_is_registered(monkeypatch):
    point = EntryPoint("flow", f"{__name__}:OrderFlowNet", "flowsense.models")
    monkeypatch.setattr("flowsense.registry.elsewhere", lambda what: (point,))
    assert kind_of(OrderFlowNet()) == "flow" and list(asked([OrderFlowNet()])) == ["flow"]


def test_a_model_with_arrays_in_it_is_given_like_any_other():
    fitted = Graph(words=np.arange(3))
    assert asked([fitted, fitted, "all", "vote"])["graph"] is fitted


def test_on_the_command_line_settings_stand_in_brackets():
    found = asked(["transformer(layers=2)", 'hmm(preset="three", stay=0.5)'])
    assert found["transformer"].layers == 2
    assert found["hmm"] == Hmm(preset="three", stay=0.5)
    assert made("hawkes(decays=[1.0, 20], exponent=None)") == Hawkes(decays=(1.0, 20))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("transformer(layer=2)", "setting 'layer' is unknown: did you mean layers"),
        ("hmm(fitted=1)", "setting 'fitted' is unknown"),
        ("transformr(layers=2)", "model 'transformr' is unknown: did you mean transformer"),
        ("hmm(preset=print(1))", "write settings like"),
        ("hmm('three')", "write settings like|write options like"),
        ("hmm(preset=)", "write settings like"),
        ("hmm(preset=3)", "preset is 3: give str"),
        ("hmm(starts='2')", "starts is '2': give int"),
        ("hawkes(decays=(1, 'x'))", "give float or tuple"),
        ("hmm(preset='thre')", "did you mean three"),
        ("hmm(", r"write NAME or NAME\(setting=1\)"),
    ],
)
def test_what_is_no_setting_is_refused_in_one_sentence(text, why):
    with pytest.raises(InputError, match=why) as refused:
        asked([text])
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("model", [BOTH, Hmm(preset="three"), Hawkes(decays=(1.0, 2.0)), Hawkes()])
def test_what_is_written_is_made_again(model):
    again = rebuilt(kind_of(model), settings(model))
    assert settings(again) == settings(model) and text_of(again) == text_of(model)
    assert type(again) is type(model)


@pytest.mark.parametrize("name", list(MODELS))
def test_every_model_is_written_as_text_that_makes_it(name):
    assert text_of(build(name)) == name
    tiny = type(build(name)).tiny()
    assert made(text_of(tiny)) == tiny and kind_of(tiny) == name


def test_numbers_of_numpy_are_settings_too():
    model = Transformer(layers=np.int64(2), rate=np.float64(0.5))
    assert rebuilt("transformer", settings(model)) == Transformer(layers=2, rate=0.5)


@pytest.mark.parametrize(
    ("model", "why"),
    [
        (Hawkes(memory=float("inf")), "hawkes: memory is inf: give a finite number"),
        (Hawkes(decays={1.0}), "hawkes: decays is '{1.0}': give a number"),
        (Residual(OrderFlowNet(), Transformer()), "OrderFlowNet is not registered"),
    ],
)
def test_settings_that_no_checkpoint_can_hold_are_refused(model, why):
    with pytest.raises(InputError, match=why):
        settings(model)


def test_settings_of_another_version_are_refused():
    with pytest.raises(InputError, match=r"hmm: settings of another version .* train again"):
        rebuilt("hmm", {"presets": "three"})
