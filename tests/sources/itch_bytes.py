"""ITCH 5.0 as bytes, and what it does as plain Python: the slow side of the tests."""

import struct
from collections import Counter, defaultdict
from datetime import UTC, datetime

import numpy as np

MIDNIGHT = int(datetime(2019, 1, 30, 5, tzinfo=UTC).timestamp()) * 10**9  # of New York
NAME = "01302019.NASDAQ_ITCH50"
OPEN = 34_200 * 10**9


def message(kind, locate, since, body=b""):
    head = kind.encode() + struct.pack(">HH", locate, 0) + since.to_bytes(6, "big")
    return head + body


def framed(*messages):
    """As in a raw file."""
    return b"".join(struct.pack(">H", len(m)) + m for m in messages)


def system(code, since=OPEN):
    return message("S", 0, since, code.encode())


def stock(symbol):
    return symbol.ljust(8).encode()


def listed(locate, symbol, since=OPEN):
    return message("R", locate, since, stock(symbol) + bytes(20))


def add(locate, ref, side, lots, symbol, price, since=OPEN, mpid=b""):
    body = struct.pack(">QcI8sI", ref, side.encode(), lots, stock(symbol), price) + mpid
    return message("F" if mpid else "A", locate, since, body)


def executed(locate, ref, lots, since=OPEN, match=1):
    return message("E", locate, since, struct.pack(">QIQ", ref, lots, match))


def executed_at(locate, ref, lots, price, prints="Y", since=OPEN):
    body = struct.pack(">QIQcI", ref, lots, 1, prints.encode(), price)
    return message("C", locate, since, body)


def cancel(locate, ref, lots, since=OPEN):
    return message("X", locate, since, struct.pack(">QI", ref, lots))


def delete(locate, ref, since=OPEN):
    return message("D", locate, since, struct.pack(">Q", ref))


def replaced(locate, ref, other, lots, price, since=OPEN):
    return message("U", locate, since, struct.pack(">QQII", ref, other, lots, price))


def hidden(locate, lots, symbol, price, match=7, since=OPEN):
    body = struct.pack(">QcI8sIQ", 0, b"B", lots, stock(symbol), price, match)
    return message("P", locate, since, body)


def cross(locate, lots, symbol, price, since=OPEN):
    return message("Q", locate, since, struct.pack(">Q8sIQc", lots, stock(symbol), price, 9, b"O"))


def action(locate, symbol, state, since=OPEN):
    return message("H", locate, since, stock(symbol) + state.encode() + b" " + b"    ")


def program(seed, steps=400, stocks=("AAA", "BBB", "CCC")):
    """A random day of several stocks: a list of messages."""
    rng, since, live, ref = np.random.default_rng(seed), OPEN, {}, 0
    day = [system("O"), *(listed(k, s) for k, s in enumerate(stocks, 1)), system("S")]
    for _ in range(steps):
        since += int(rng.integers(0, 10**9))
        what = rng.choice(list("AAAAAEECXXDDU"))
        if what == "A" or not live:
            k, ref, lots = int(rng.integers(len(stocks))), ref + 1, int(rng.integers(1, 900))
            side, price = rng.choice(["B", "S"]), 100 * int(rng.integers(900, 1_100))
            day.append(add(k + 1, ref, side, lots, stocks[k], price, since))
            live[ref] = [k + 1, lots]
            continue
        old = int(rng.choice(list(live)))
        locate, have = live[old]
        some = int(rng.integers(1, have + 1))
        if what in "EC":
            price, prints = 100 * int(rng.integers(900, 1_100)), rng.choice(["Y", "N"])
            at = executed_at(locate, old, some, price, prints, since)
            day.append(executed(locate, old, some, since) if what == "E" else at)
        elif what == "X":
            day.append(cancel(locate, old, some, since))
        elif what == "D":
            day.append(delete(locate, old, since))
            some = have
        else:
            ref += 1
            price, lots = 100 * int(rng.integers(900, 1_100)), int(rng.integers(1, 900))
            day.append(replaced(locate, old, ref, lots, price, since))
            live[ref], some = [locate, lots], have
        live[old][1] -= some
        if not live[old][1]:
            del live[old]
    return [*day, system("E", since)]


def books(messages):
    """After each message: {locate: {(side, price): lots}}, and the shares traded so far by locate.

    Read with struct and dicts alone.
    """
    orders, traded = {}, Counter()
    for m in messages:
        kind, locate = chr(m[0]), int.from_bytes(m[1:3])
        if kind in "AF":
            ref, side, lots, _, price = struct.unpack_from(">QcI8sI", m, 11)
            orders[ref] = [locate, side, price, lots]
        elif kind in "EC":
            ref, lots = struct.unpack_from(">QI", m, 11)
            orders[ref][3] -= lots
            traded[locate] += lots if kind == "E" or m[31:32] == b"Y" else 0
        elif kind == "X":
            ref, lots = struct.unpack_from(">QI", m, 11)
            orders[ref][3] -= lots
        elif kind == "D":
            del orders[int.from_bytes(m[11:19])]
        elif kind == "U":
            ref, other, lots, price = struct.unpack_from(">QQII", m, 11)
            locate, side, *_ = orders.pop(ref)
            orders[other] = [locate, side, price, lots]
        levels = defaultdict(Counter)
        for locate_, side, price, lots in orders.values():
            if lots:
                levels[locate_][side, price] += lots
        yield dict(levels), dict(+traded)


def mold(first, *messages, session=b"SESSION001"):
    """A packet's payload."""
    return struct.pack(">10sQH", session, first, len(messages)) + framed(*messages)


def ethernet(payload, vlan=False):
    tag = b"\x81\x00\x00\x05" if vlan else b""
    udp = struct.pack(">HHHH", 1, 2, 8 + len(payload), 0) + payload
    ip = struct.pack(">BBHHHBBH8s", 0x45, 0, 20 + len(udp), 0, 0, 9, 17, 0, bytes(8))
    return bytes(12) + tag + b"\x08\x00" + ip + udp


def pcap(*packets, order="<", magic=0xA1B23C4D, link=1):
    """packets: (ns, frame)."""
    unit = 1 if magic == 0xA1B23C4D else 1_000
    out = struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 1 << 16, link)
    for ts, frame in packets:
        stamp = (ts // 10**9, ts % 10**9 // unit, len(frame), len(frame))
        out += struct.pack(order + "4I", *stamp) + frame
    return out
