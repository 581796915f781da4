"""Raw recordings of 2021, as a socket and the requests beside it would have given them."""

import re

from flowsense.sources.files import blocks
from flowsense.sources.venues import Heard, How

REPLY = re.compile(rb"\S*[?&](?:symbol|currency_pair)=([^& ]+)\S* -> ([\d.]+): (.*)", re.DOTALL)
MESSAGE = re.compile(rb"(?:\S+ -> )?([\d.]+): (.*)", re.DOTALL)


def lines(path):
    for block in blocks(path):
        yield from block.data.splitlines()


def bodies(path):
    """Of a file of replies, without their addresses and times."""
    return [line.split(b": ", 1)[1] for line in lines(path) if b" -> " in line[:200]]


def heard(folder, name, sockets=(1,)):
    """All connections of a recording in the order of time, each line as it was heard."""
    replies = map(REPLY.fullmatch, lines(folder / f"{name}.http.0.0.zst"))
    found = [(float(m[2]), How.REPLY, m[3], m[1].decode()) for m in replies if m]
    for number in sockets:
        messages = map(MESSAGE.fullmatch, lines(folder / f"{name}.ws.{number}.0.zst"))
        found += [(float(m[1]), How.MESSAGE, m[2], "") for m in messages if m]
    yield Heard(0, How.OPENED)
    for ts, how, body, key in sorted(found, key=lambda one: one[0]):
        yield Heard(round(ts * 1e9), how, body, key)
