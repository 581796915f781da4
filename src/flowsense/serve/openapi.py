"""The API described for programs: every body and every answer, with an example of each."""

from functools import cache
from typing import Any

import msgspec

from flowsense import __version__
from flowsense.serve import examples
from flowsense.serve.asked import ARROW, PARQUET, Latest, Recording, Reload, Row
from flowsense.serve.finished import Comparison, Runs
from flowsense.serve.folders import FILE, NAME, PAGES
from flowsense.serve.wire import plain
from flowsense.served import (
    TRADE,
    TRADED,
    VETOES,
    Answer,
    Health,
    Message,
    Problem,
    Status,
    Swap,
)

JSON = "application/json"
STREAM = "/api/v1/predict/stream"
WEBSOCKETS = "x-websockets"  # paths that OpenAPI has no words for
MEANINGS = "x-meanings"  # of the values that a field may have
REF = "#/components/schemas/{name}"
ASKED = (Latest, Row, Recording, Reload)
TYPES = (*ASKED, Answer, Health, Message, Problem, Status, Swap, Runs, Comparison)
REFUSALS = {
    400: "A key stands in the address",
    401: "No key, or one that is not known",
    403: "Not from this host, page, or key",
    404: "There is no such path, instrument, model or run",
    405: "Not by this method",
    408: "The body came too slowly",
    409: "Not as things stand: no prediction yet, refused by the model, or not to be compared",
    413: "The body is too large",
    415: "The body is of a type that is not read",
    422: "The request is not understood",
    429: "Too many requests; Retry-After says when to come back",
    500: "A fault of flowsense",
    503: "Too much at once; Retry-After says when to come back",
    504: "The answer took too long",
}
ALWAYS = (400, 401, 403, 404, 405, 408, 413, 422, 429, 500, 504)
RETRY = {"schema": {"type": "integer", "minimum": 1}, "description": "Seconds"}
ID = {
    "schema": {"type": "string", "pattern": "^[A-Za-z0-9_.-]{1,64}$"},
    "description": "Of this request, as it stands in the log; yours, if you sent one",
}


@cache
def document() -> dict[str, Any]:
    """OpenAPI 3.1."""
    _, components = msgspec.json.schema_components(TYPES, ref_template=REF)
    said = components["Prediction"]
    said["properties"][TRADE] = {"type": "boolean", "description": TRADED}
    said["required"].append(TRADE)
    said["properties"]["vetoes"] |= {
        "items": {"type": "string", "enum": list(VETOES)},
        MEANINGS: VETOES,
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "flowsense",
            "version": __version__,
            "description": "Predictions of order flow, as they are made. Times are ns UTC.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths(),
        WEBSOCKETS: {STREAM: stream()},
        "security": [{}, {"key": []}],
        "components": {
            "schemas": components,
            "securitySchemes": {
                "key": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "Needed wherever the server has keys; always off loopback",
                }
            },
        },
    }


def paths() -> dict[str, Any]:
    bodies = {
        JSON: {
            "schema": {"anyOf": [ref(Latest), ref(Row), ref(Recording)]},
            "examples": {k: {"value": v} for k, v in examples.ASKED.items()},
        },
        **{kind: {"schema": {"type": "string", "format": "binary"}} for kind in (*ARROW, PARQUET)},
    }
    status = {"status": {"value": plain(examples.STATUS)}}
    return {
        "/api/v1/predict": {
            "post": operation(
                "predict",
                "The latest prediction, one of a row of features, or those of a recording",
                answer(Answer, examples.ANSWERS),
                parameters=[flag("explain", "Why the latest prediction is what it is")],
                body={"required": True, "content": bodies},
                refusals=(409, 415, 503),
            )
        },
        "/api/v1/models/status": {
            "get": operation(
                "status", "How pipeline, feeds and model stand", answer(Status, status)
            )
        },
        **steered(status),
        **finished(),
        "/health": {
            "get": operation(
                "health",
                "Whether it lives, and whether what it says is of now",
                answer(Health, {"ready": {"value": plain(examples.READY)}}),
                free=True,
                unhealthy=answer(Health, {"failed": {"value": plain(examples.FAILED)}})[200],
            )
        },
        "/metrics": {
            "get": operation(
                "metrics",
                "Counts and times for Prometheus",
                {
                    200: {
                        "description": "Text exposition",
                        "headers": {"X-Request-ID": ID},
                        "content": {
                            "text/plain": {
                                "schema": {"type": "string"},
                                "examples": {"counter": {"value": examples.METRICS}},
                            }
                        },
                    }
                },
            )
        },
    }


def steered(status: dict[str, Any]) -> dict[str, Any]:
    """Paths of what changes the pipeline. status: an example."""
    return {
        "/api/v1/models/reload": {
            "post": operation(
                "reload",
                "Another model in the place of the present one, if it passes; needs scope admin",
                answer(Swap, {k: {"value": plain(v)} for k, v in examples.SWAPS.items()}),
                body={
                    "required": False,
                    "content": {
                        JSON: {
                            "schema": ref(Reload),
                            "examples": {k: {"value": v} for k, v in examples.RELOADS.items()},
                        }
                    },
                },
                refusals=(409, 415),
            )
        },
        "/api/v1/pipeline/start": {
            "post": operation(
                "start",
                "Start the pipeline, where it does not run; needs scope admin",
                answer(Status, status),
                refusals=(409,),
            )
        },
        "/api/v1/pipeline/stop": {
            "post": operation(
                "stop",
                "Stop the pipeline, where it runs; needs scope admin",
                answer(Status, status),
                refusals=(409,),
            )
        },
    }


def finished() -> dict[str, Any]:
    """Paths of finished runs."""
    page = {"schema": {"type": "string"}, "examples": {"report": {"value": "<!doctype html>"}}}
    file = {"type": "string", "enum": [*PAGES]}
    return {
        "/api/v1/runs": {
            "get": operation(
                "runs",
                "Finished runs, backtests and paper accounts, each score beside its null",
                answer(Runs, {"runs": {"value": plain(examples.RUNS)}}),
                refusals=(503,),
            )
        },
        "/api/v1/runs/compare": {
            "get": operation(
                "compare",
                "Two runs on their common rows, as `flowsense compare` has them",
                answer(Comparison, {"compared": {"value": plain(examples.COMPARISON)}}),
                parameters=[run("a", "query", "btc/first"), run("b", "query", examples.NEXT)],
                refusals=(409, 503),
            )
        },
        FILE: {
            "get": operation(
                "page",
                "The report of a run, or a tear sheet",
                {
                    200: {
                        "description": "Complete in itself",
                        "headers": {"X-Request-ID": ID},
                        "content": {"text/html": page},
                    }
                },
                parameters=[
                    run("name", "path", examples.NEXT),
                    run("file", "path", "report.html") | {"schema": file, "description": "Of it"},
                ],
                refusals=(503,),
            )
        },
    }


def run(name: str, place: str, example: str) -> dict[str, Any]:
    """A parameter."""
    return {
        "name": name,
        "in": place,
        "required": True,
        "description": "A run, by its name of /api/v1/runs",
        "schema": {"type": "string", "pattern": f"^{NAME}$"},
        "example": example,
    }


def stream() -> dict[str, Any]:
    """What is listened to, told as operations are."""
    asked = {
        "format": (
            "json (default) or msgpack; the subprotocol flowsense.json or flowsense.msgpack "
            "says the same",
            "msgpack",
        ),
        "symbols": ("these alone", "BTCUSDT,ETHUSDT"),
        "since": ("from the prediction after this number on, as far as they are kept", 4711),
    }
    return {
        "summary": "Every prediction as it is made",
        "parameters": [
            {"name": name, "in": "query", "description": what, "example": one}
            for name, (what, one) in asked.items()
        ],
        "message": {"schema": ref(Message), "examples": examples.MESSAGES},
        "closes": {
            "1001": "The server stops",
            "1003": "You said something; nothing is to be said on it",
            "1008": "Refused, where the server cannot say so before it is accepted",
            "1009": "You sent more than 64 kB",
            "1013": "You took nothing for a second, or there are too many listeners",
            "4500": "The pipeline failed, with why",
        },
    }


def operation(
    name: str,
    summary: str,
    answers: dict[int, Any],
    *,
    parameters: list[dict[str, Any]] | None = None,
    body: dict[str, Any] | None = None,
    refusals: tuple[int, ...] = (),
    free: bool = False,
    unhealthy: dict[str, Any] | None = None,
) -> dict[str, Any]:
    found = answers | {status: refusal(status) for status in (*ALWAYS, *refusals)}
    if unhealthy is not None:
        why = "It failed, or cannot reach its venues at the start, which it goes on trying"
        found[503] = unhealthy | {"description": why}
    told: dict[str, Any] = {
        "operationId": name,
        "summary": summary,
        "parameters": parameters or [],
        "responses": {str(status): found[status] for status in sorted(found)},
    }
    if body is not None:
        told["requestBody"] = body
    return told | ({"security": []} if free else {})


def answer(kind: type, shown: dict[str, Any]) -> dict[int, Any]:
    return {
        200: {
            "description": "What is answered",
            "headers": {"X-Request-ID": ID},
            "content": {JSON: {"schema": ref(kind), "examples": shown}},
        }
    }


def refusal(status: int) -> dict[str, Any]:
    found = {
        "description": REFUSALS[status],
        "headers": {"X-Request-ID": ID},
        "content": {
            JSON: {
                "schema": ref(Problem),
                "examples": {"refused": {"value": plain(examples.PROBLEMS[status])}},
            }
        },
    }
    if status in (429, 503):
        found["headers"] = {"X-Request-ID": ID, "Retry-After": RETRY}
    return found


def flag(name: str, description: str) -> dict[str, Any]:
    return {
        "name": name,
        "in": "query",
        "required": False,
        "description": description,
        "schema": {"type": "integer", "enum": [0, 1]},
        "example": 1,
    }


def ref(kind: type) -> dict[str, str]:
    return {"$ref": REF.format(name=kind.__name__)}
