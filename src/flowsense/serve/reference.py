"""/docs: the description of the API for people, one page that fetches nothing from anywhere."""

from functools import cache
from html import escape
from json import dumps
from typing import Any

from flowsense.serve.openapi import JSON, document

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
pre { background: #8881; padding: .6rem; overflow-x: auto; font-size: 13px }
h2 { margin-top: 2.5rem } h2 code { font-size: 1.1rem } summary { cursor: pointer }
:root { color-scheme: light dark }
"""
STREAM = """<h2><code>WebSocket /api/v1/predict/stream</code></h2>
<p>Every prediction as it is made; <code>?format=json|msgpack</code>, <code>symbols=A,B</code>,
<code>since=N</code>: from that number on. Each message is a <code>Message</code>.</p>"""
POLICY = "default-src 'none'; style-src 'unsafe-inline'"  # of what the page may load


@cache
def page() -> str:
    """HTML."""
    told = document()
    parts = [
        operation(method.upper(), path, about)
        for path, methods in told["paths"].items()
        for method, about in methods.items()
    ]
    schemas = "".join(
        folded(name, pretty(schema))
        for name, schema in sorted(told["components"]["schemas"].items())
    )
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>flowsense</title>'
        f"<style>{STYLE}</style><h1>flowsense {escape(told['info']['version'])}</h1>"
        f"<p>{escape(told['info']['description'])} For programs: "
        '<a href="/openapi.json">openapi.json</a>.</p>'
        f"{''.join(parts)}{STREAM}<h2>Schemas</h2>{schemas}</html>"
    )


def operation(method: str, path: str, about: dict[str, Any]) -> str:
    bodies = about.get("requestBody", {}).get("content", {}).get(JSON, {}).get("examples", {})
    asked = [f"{p['name']}: {p['description']}" for p in about["parameters"]]
    shown = [
        *(folded(f"Body: {name}", pretty(one["value"])) for name, one in bodies.items()),
        *(
            folded(f"{status}: {answer['description']}", examples(answer))
            for status, answer in about["responses"].items()
        ),
    ]
    return (
        f"<h2><code>{method} {escape(path)}</code></h2><p>{escape(about['summary'])}.</p>"
        f"{''.join(f'<p><code>?{escape(text)}</code></p>' for text in asked)}{''.join(shown)}"
    )


def examples(answer: dict[str, Any]) -> str:
    told = (m.get("examples", {}).values() for m in answer["content"].values())
    return "\n".join(pretty(one["value"]) for some in told for one in some)


def pretty(value: Any) -> str:
    return value if isinstance(value, str) else dumps(value, indent=2)


def folded(title: str, text: str) -> str:
    return f"<details><summary>{escape(title)}</summary><pre>{escape(text)}</pre></details>"
