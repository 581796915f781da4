"""The description of the API, held against the API."""

import json
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
import schemathesis
import structlog
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import Status, events, from_schema
from serving import ask, started

from flowsense.serve import examples
from flowsense.serve.app import app
from flowsense.serve.openapi import REF, STREAM, document
from flowsense.serve.settings import Limits, Settings
from flowsense.served import UNIT, VETOES
from flowsense.wall import Stopwatch

REJECTED = ["400", "401", "403", "404", "405", "406", "409", "413", "415", "422", "428", "429"]
FREE = replace(Limits(), rate=1e9, burst=1e9)


def metrics():
    return examples.METRICS.encode(), "text/plain; version=0.0.4; charset=utf-8"


def found_by_schemathesis(most, folder):
    """How many requests it made, and what failed, of all its checks."""
    place = folder / examples.NEXT
    place.mkdir(parents=True)
    (place / "report.html").write_text("<!doctype html>")
    settings = Settings(hosts=("testserver",), limits=FREE, metrics=metrics, runs=folder)
    generation = {"max-examples": most, "database": "none"}
    checks = {"negative_data_rejection": {"expected-statuses": REJECTED}}  # 413 is not of its own
    config = SchemathesisConfig.from_dict({"seed": 1, "generation": generation, "checks": checks})
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
def test_schemathesis_finds_nothing(tmp_path):
    made, wrong = found_by_schemathesis(3, tmp_path)
    assert wrong == [] and made > 300


@pytest.mark.soak
def test_schemathesis_finds_nothing_in_a_thousand_of_each(tmp_path):
    """Of each that takes a body or a name; there is but one request to the others."""
    with Stopwatch() as watch:
        made, wrong = found_by_schemathesis(1_000, tmp_path)
    assert wrong == [] and made > 2_000  # what fails is tried no further
    assert watch.seconds < 120


def test_more_events_than_a_request_may_bring_are_refused_by_number_or_by_bytes():
    few = {"ts_recv": 1, "action": 11}
    long = few | {"lots": 10**9, "order_id": 10**9, "sequence": 10**9, "ts_event": 10**9}
    found = [ask("POST", "/api/v1/predict", json={"events": [e] * 10_001}) for e in (few, long)]
    assert [f.status_code for f in found] == [422, 413]


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


def told(name):
    """The lines of docs/api.md that a schema asks for: name, unit, meaning."""
    fields = document()["components"]["schemas"][name]["properties"]
    each = ((f, one.get(UNIT, ""), one.get("description", "")) for f, one in fields.items())
    return [f"| `{f}` | {unit} | {what} |" for f, unit, what in escaped(each)]


def escaped(rows):
    return [tuple(cell.replace("|", "\\|") for cell in row) for row in rows]


def test_the_tables_of_the_documentation_are_those_of_the_description():
    page = Path(__file__).parents[2].joinpath("docs/api.md").read_text().splitlines()
    lines = [line for name in ("Prediction", "Likelihood") for line in told(name)]
    vetoes = [f"| `{veto}` | {why} |" for veto, why in VETOES.items()]
    assert [line for line in lines + vetoes if line not in page] == []
    assert not [line for line in lines if line.endswith("|  |")]


def test_the_stream_and_what_a_veto_means_are_described():
    said = document()
    assert said["x-websockets"][STREAM]["message"]["schema"] == {"$ref": REF.format(name="Message")}
    assert (
        said["components"]["schemas"]["Prediction"]["properties"]["vetoes"]["x-meanings"] == VETOES
    )
    text = ask("GET", "/docs").text
    assert STREAM in text and text.count("No key, or one that is not known") == 1


def test_the_root_leads_to_the_page_for_people():
    found = ask("GET", "/", follow_redirects=False)
    assert (found.status_code, found.headers["location"]) == (307, "/docs")
    assert "/docs" in ask("GET", "/nowhere").json()["hint"]
