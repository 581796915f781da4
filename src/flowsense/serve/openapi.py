"""The API described for programs: every body and every answer, with an example of each."""

from functools import cache
from typing import Any

import msgspec

from flowsense import __version__
from flowsense.serve import examples
from flowsense.serve.asked import ARROW, PARQUET, Latest, Recording, Reload, Row
from flowsense.serve.wire import TRADE, plain
from flowsense.served import Answer, Health, Message, Problem, Status, Swap

JSON = "application/json"
REF = "#/components/schemas/{name}"
TYPES = (Latest, Row, Recording, Reload, Answer, Health, Message, Problem, Status, Swap)
REFUSALS = {
    400: "A key stands in the address",
    401: "No key, or one that is not known",
    403: "Not from this host, page, or key",
    404: "There is no such path, instrument or model",
    405: "Not by this method",
    408: "The body came too slowly",
    409: "Not as things stand: no prediction yet, or refused by the model",
    413: "The body is too large",
    415: "The body is of a type that is not read",
    422: "The request is not understood",
    429: "Too many requests; Retry-After says when to come back",
    500: "A fault of flowsense",
    503: "Too many predictions at once; Retry-After says when to come back",
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
    components["Prediction"]["properties"][TRADE] = {"type": "boolean"}
    components["Prediction"]["required"].append(TRADE)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "flowsense",
            "version": __version__,
            "description": "Predictions of order flow, as they are made. Times are ns UTC.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths(),
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
        found[503] = unhealthy | {"description": "It failed: only a restart helps"}
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
            "description": "As asked",
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
        "description": f"{description}: 1",
        "schema": {"type": "integer", "enum": [0, 1]},
        "example": 1,
    }


def ref(kind: type) -> dict[str, str]:
    return {"$ref": REF.format(name=kind.__name__)}
