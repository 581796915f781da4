"""Numbers of CONTROL events: apart, so that who tells them need not load any model."""

from enum import IntEnum


class Code(IntEnum):
    """What a CONTROL event is about; its price."""

    ABSTAIN = 1  # lots: the place in `names`; sequence: the turn; order_id: events of its tape
    SWAP = 2  # another model answers from here on; lots: its place in the table of models
    STALE = 3  # lots: 1 the instrument's feed is silent for too long, 0 it speaks again
    RESYNC = 4  # a member begins anew; lots: its number; sequence: the first turn
    SKIPPED = 5  # lots: so many events that follow were heard, and conflated before the engine
    RESUME = 6  # what follows is of an engine that went on where this recording ended before
