"""How much anybody may ask: a bucket that fills at a rate, one for each key and address."""

from collections import OrderedDict

from flowsense.wall import Wall

MOST = 10_000  # buckets kept; the one that was longest unused goes first


class Rates:
    """Buckets of `burst` tokens that fill with `rate` per second."""

    def __init__(self, rate: float, burst: float) -> None:
        self.rate, self.burst, self.clock = rate, burst, Wall()
        self.buckets: OrderedDict[str, tuple[float, int]] = OrderedDict()  # tokens, ns

    def left(self, who: str) -> float:
        """Tokens of a bucket now."""
        tokens, since = self.buckets.get(who, (self.burst, 0))
        return min(self.burst, tokens + (self.clock.now() - since) / 1e9 * self.rate)

    def take(self, who: str) -> float:
        """0 where there was a token; else seconds until there is one."""
        tokens = self.left(who)
        if tokens < 1.0:
            return (1.0 - tokens) / self.rate
        self.buckets[who] = tokens - 1.0, self.clock.now()
        self.buckets.move_to_end(who)
        if len(self.buckets) > MOST:
            self.buckets.popitem(last=False)
        return 0.0
