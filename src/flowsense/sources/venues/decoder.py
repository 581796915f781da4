"""What is heard on a connection, to EVENTs: a fold, from a socket and from its recording alike."""

from typing import NamedTuple

import msgspec

from flowsense.errors import DecodeError
from flowsense.schema import Bars, Events, Instrument
from flowsense.sources import NO_BARS
from flowsense.sources.venues import Anew, Ask, Heard, How, Stop, Venue
from flowsense.sources.venues.sink import Gap, Sink

NOT_UNDERSTOOD = (  # what reading a message that has another form may raise
    *(DecodeError, ValueError, TypeError, KeyError, IndexError, AttributeError, ArithmeticError),
    *(RecursionError, msgspec.MsgspecError),
)


class Told(NamedTuple):
    """What came of something that was heard."""

    events: Events
    asks: tuple[Ask, ...]
    gaps: tuple[Gap, ...]
    bars: Bars = NO_BARS


class Decoder:
    """One connection to a venue, again and again; its state is the dialect's and the sink's.

    Args:
        venue: what is spoken.
        table: of all instruments of the stream; those of this venue are subscribed to.
    """

    def __init__(self, venue: Venue, table: tuple[Instrument, ...]) -> None:
        self.venue, self.sink = venue, Sink(table, venue.name)
        self.symbols = tuple(self.sink.instruments)
        self.dialect = venue.dialect(self.symbols, self.sink)
        self.open = False  # what is said between LOST, Anew or Stop, and OPENED is not listened to
        self.errors = list[str]()  # what could not be understood, the last few

    def hear(self, heard: Heard) -> Told:
        """What was understood, all of a message or none.

        One that cannot be understood is lost, and the connection with it.
        """
        try:
            self.take(heard)
        except DecodeError as error:
            self.sink.count("malformed message")
            self.errors = [*self.errors[-9:], str(error)]
            self.close("a message could not be understood")
            self.sink.anew(str(error))
        if self.open and any(isinstance(ask, Anew | Stop) for ask in self.sink.asks):
            self.close("the connection is given up")
        return Told(*self.sink.taken())

    def take(self, heard: Heard) -> None:
        """Into the sink. Raises DecodeError, and has told it nothing then."""
        sink, mark = self.sink, self.sink.mark()
        sink.ts_recv = max(sink.ts_recv, heard.ts_recv)
        try:
            match heard.how:
                case How.OPENED:
                    self.close("the connection was made anew")
                    self.open = True
                    self.dialect.opened()
                case How.LOST:
                    self.close(heard.body.decode(errors="replace") or "the connection was lost")
                case How.MESSAGE if self.open:
                    self.dialect.message(heard.body)
                case How.REPLY if self.open:
                    self.dialect.reply(heard.key, heard.body)
        except NOT_UNDERSTOOD as error:
            sink.back(mark)
            raise DecodeError(f"{self.venue.name}: {_why(error)}: {_short(heard.body)}") from error

    def close(self, why: str) -> None:
        """Nothing that was said before holds."""
        self.open = False
        self.sink.lost_all(why)


def _why(error: BaseException) -> str:
    if isinstance(error, KeyError):
        return f"the message has no field {error}"
    return " ".join(str(error).split()) or type(error).__name__


def _short(body: bytes) -> str:
    text = body.decode(errors="replace")
    return repr(text if len(text) <= 60 else text[:57] + "...")
