"""A small spot market as Binance's stream tells it, line by line, and its book as dicts."""

import numpy as np
import orjson

NS, MS = 1_700_000_000_000_000_000, 1_700_000_000_000
STEP = 100  # ms between updates


def snapshot(last, bids, asks, ns):
    body = {"lastUpdateId": last}
    body |= {"bids": listed(bids), "asks": listed(asks)}
    return b"%d %s" % (ns, orjson.dumps(body))


def listed(levels):
    return [[f"{price / 10:.1f}", f"{lots}"] for price, lots in levels.items()]


def update(u, bids, asks, k):
    data = {"e": "depthUpdate", "E": MS + k * STEP, "s": "ABCUSDT", "U": u, "u": u}
    data |= {"b": listed(bids), "a": listed(asks)}
    body = {"stream": "abcusdt@depth", "data": data}
    return b"%d %s" % (NS + k * STEP * 10**6, orjson.dumps(body))


def trade(number, price, lots, sold, k):
    data = {"e": "trade", "E": MS + k * STEP, "s": "ABCUSDT", "t": number, "m": sold}
    data |= {"p": f"{price / 10:.1f}", "q": f"{lots}", "T": MS + k * STEP}
    body = {"stream": "abcusdt@trade", "data": data}
    return b"%d %s" % (NS + k * STEP * 10**6, orjson.dumps(body))


def spot(updates, seed=0, snapshots=None):
    """-> lines, and the bids and asks {ticks: lots} after each update id.

    A snapshot opens the file; with `snapshots` there is one after every so many updates as well.
    """
    rng, last = np.random.default_rng(seed), 100
    bids, asks = {990 - k: k + 1 for k in range(5)}, {1010 + k: k + 1 for k in range(5)}
    lines, books = [snapshot(last, bids, asks, NS)], {}
    for k in range(1, updates + 1):
        last += 1
        side, first = (bids, 995) if rng.random() < 0.5 else (asks, 1005)
        price = first + int(rng.integers(0, 12)) * (-1 if side is bids else 1)
        lots = int(rng.integers(0, 9))
        side[price] = lots
        if not lots:
            del side[price]
        changed = {price: lots}
        lines.append(update(last, *((changed, {}) if side is bids else ({}, changed)), k))
        books[last] = dict(bids), dict(asks)
        if snapshots and k % snapshots == 0:
            lines.append(snapshot(last, bids, asks, NS + k * STEP * 10**6))
    return lines, books


def told_at(line, ns):
    """The line with another time of the recorder."""
    return b"%d%s" % (ns, line[19:])


def written(path, lines):
    path.write_bytes(b"\n".join(lines) + b"\n")
    return path
