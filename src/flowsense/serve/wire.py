"""JSON and MessagePack, in and out: nothing that is no finite number, and errors name the field."""

import json
from collections.abc import Iterator
from math import isfinite
from typing import Any, TypeVar

import msgspec

from flowsense.serve.problems import Refused
from flowsense.served import TRADE, Answer, Hole, Prediction

T = TypeVar("T")
WHOLE = "Expected `int`, got `float`"  # as msgspec says it
ENCODED = {"json": msgspec.json.encode, "msgpack": msgspec.msgpack.encode}
FIRST = {"json": 0x81, "msgpack": 0x82}  # byte of a frame: text, binary


class NotFinite(ValueError):
    """What should have been said is no number."""


def plain(said: Any) -> Any:
    """Dicts, lists, texts and finite numbers. Raises NotFinite."""
    body = msgspec.to_builtins(said)
    if isinstance(said, Prediction):
        body[TRADE] = said.should_trade
    if isinstance(said, Answer):
        body = answered(said, body)
    for path, value in numbers(body):
        if not isfinite(value):
            raise NotFinite(f"{path} is {value}")
    return body


def answered(said: Answer, body: dict[str, Any]) -> dict[str, Any]:
    for one, told in zip(said.predictions, body["predictions"], strict=True):
        told[TRADE] = one.should_trade
    if said.explanation is not None:
        told = body["explanation"]["prediction"]
        told[TRADE] = said.explanation.prediction.should_trade
    return body


def numbers(body: Any, path: str = "") -> Iterator[tuple[str, float]]:
    """Every float, and where it stands."""
    if isinstance(body, float):
        yield path, body
    elif isinstance(body, dict):
        for key, value in body.items():
            yield from numbers(value, f"{path}.{key}" if path else str(key))
    elif isinstance(body, list | tuple):
        for n, value in enumerate(body):
            yield from numbers(value, f"{path}[{n}]")


class Frame:
    """One message to many listeners: made finite once, written once in each format."""

    __slots__ = ("body", "framed", "sequence", "symbol", "written")

    def __init__(self, said: Prediction | Hole) -> None:
        hole = isinstance(said, Hole)
        self.body = {"hole" if hole else "prediction": plain(said)}
        self.sequence = said.next if isinstance(said, Hole) else said.sequence
        self.symbol = "" if isinstance(said, Hole) else said.symbol
        self.written, self.framed = dict[str, bytes](), dict[str, bytes]()

    def content(self, format: str) -> bytes:
        if format not in self.written:
            self.written[format] = ENCODED[format](self.body)
        return self.written[format]

    def whole(self, format: str) -> bytes:
        """As it goes over the wire: RFC 6455, section 5.2, final and not masked."""
        if format not in self.framed:
            content = self.content(format)
            size = len(content)
            if size < 126:
                head = bytes((FIRST[format], size))
            else:
                wide = size > 0xFFFF
                length = size.to_bytes(8 if wide else 2, "big")
                head = bytes((FIRST[format], 127 if wide else 126)) + length
            self.framed[format] = head + content
        return self.framed[format]


def read(body: bytes, kind: type[T]) -> T:
    """Raises Refused, with the field that is to blame."""
    try:
        return msgspec.json.decode(body, type=kind)
    except RecursionError:
        raise Refused(422, "too_deep", "The body nests too deep.") from None
    except msgspec.ValidationError as error:
        if WHOLE in str(error):
            return read_whole(body, kind, error)
        raise invalid(error) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise malformed(body, str(error)) from None


def read_whole(body: bytes, kind: type[T], error: msgspec.ValidationError) -> T:
    """The same where 2.0 is written for 2, which JSON Schema takes for an integer, too."""
    try:
        found = msgspec.json.encode(json.loads(body.decode(), parse_float=whole))
        return msgspec.json.decode(found, type=kind)
    except msgspec.ValidationError as still:
        raise invalid(still) from None
    except (ValueError, RecursionError):
        raise invalid(error) from None


def whole(text: str) -> int | float:
    value = float(text)
    return int(value) if value.is_integer() and abs(value) < 2**63 else value


def invalid(error: msgspec.ValidationError) -> Refused:
    message, _, path = str(error).partition(" - at `$")
    field = path.rstrip("`").lstrip(".")
    return Refused(422, "invalid", f"{message}.", field=field, hint="/openapi.json has examples")


class Odd(str):
    """A number as it was written, which is none that can be."""


def malformed(body: bytes, why: str) -> Refused:
    """Names the number that is none, if that is what is wrong; else the place."""
    try:
        found = json.loads(
            body,
            parse_constant=Odd,
            parse_float=lambda text: text if isfinite(float(text)) else Odd(text),
        )
        path, text = next(odd(found), ("", ""))
    except (ValueError, RecursionError):
        path, text = "", ""
    if text:
        return Refused(
            422,
            "not_finite",
            f"{path}: {text[:40]} is no finite number.",
            field=path,
            hint="leave out what is missing",
        )
    return Refused(422, "not_json", f"The body is no JSON: {why}.", hint="send one JSON object")


def odd(body: Any, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(body, Odd):
        yield path or "body", str(body)
    elif isinstance(body, dict):
        for key, value in body.items():
            yield from odd(value, f"{path}.{key}" if path else str(key))
    elif isinstance(body, list):
        for n, value in enumerate(body):
            yield from odd(value, f"{path}[{n}]")
