"""The description of the API, held against the API."""

import json
from dataclasses import replace

import msgspec
import pytest
import schemathesis
import structlog
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import Status, events, from_schema
from serving import ask, started

from flowsense.serve import examples
from flowsense.serve.app import app
from flowsense.serve.openapi import document
from flowsense.serve.settings import Limits, Settings

FREE = replace(Limits(), rate=1e9, burst=1e9)


def metrics():
    return examples.METRICS.encode(), "text/plain; version=0.0.4; charset=utf-8"


def found_by_schemathesis(most):
    """How many requests it made, and what failed, of all its checks."""
    settings = Settings(hosts=("testserver",), limits=FREE, metrics=metrics)
    generation = {"max-examples": most, "database": "none"}
    config = SchemathesisConfig.from_dict({"seed": 1, "generation": generation})
    quiet = structlog.make_filtering_bound_logger(50)
    structlog.configure(wrapper_class=quiet)
    try:
        schema = schemathesis.openapi.from_asgi(
            "/openapi.json", app(started(), settings), config=config
        )
        told = list(from_schema(schema).execute())
    finally:
        structlog.reset_defaults()
    made, wrong = 0, [str(e) for e in told if "Error" in type(e).__name__]
    for scenario in (e for e in told if isinstance(e, events.ScenarioFinished)):
        made += len(scenario.recorder.cases)
        for key, checks in scenario.recorder.checks.items():
            case = scenario.recorder.cases[key].value
            wrong += [
                f"{check.name}: {case.method} {case.path} {case.query} {case.body}"[:300]
                for check in checks
                if check.status != Status.SUCCESS
            ]
    return made, wrong


@pytest.mark.slow
def test_schemathesis_finds_nothing():
    made, wrong = found_by_schemathesis(3)
    assert made > 300 and wrong == []


@pytest.mark.soak
def test_schemathesis_finds_nothing_in_a_thousand_of_each():
    made, wrong = found_by_schemathesis(1_000)
    assert made > 2_000 and wrong == []


def test_it_describes_what_is_served():
    assert ask("GET", "/openapi.json").json() == json.loads(msgspec.json.encode(document()))


def test_the_page_for_people_tells_all_and_fetches_nothing():
    found = ask("GET", "/docs")
    told = document()
    assert found.status_code == 200 and "<script" not in found.text and "src=" not in found.text
    assert found.headers["content-security-policy"].startswith("default-src 'none'")
    assert all(name in found.text for name in (*told["paths"], *told["components"]["schemas"]))


def test_every_body_and_every_answer_has_an_example():
    bare = [
        f"{path} {status}"
        for path, methods in document()["paths"].items()
        for told in methods.values()
        for status, answer in [*told["responses"].items(), ("body", told.get("requestBody", {}))]
        for kind, media in answer.get("content", {}).items()
        if kind.startswith("application/json") and not media.get("examples")
    ]
    assert bare == []


@pytest.mark.parametrize("kind", ["Answer", "Status", "Health", "Problem", "Swap"])
def test_the_examples_are_of_their_kind(kind):
    import flowsense.served

    for path in document()["paths"].values():
        for told in path.values():
            for answer in told["responses"].values():
                for media in answer["content"].values():
                    if media["schema"].get("$ref", "").endswith(f"/{kind}"):
                        for one in media["examples"].values():
                            msgspec.convert(one["value"], getattr(flowsense.served, kind))
