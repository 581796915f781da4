"""Logistic regression whose side flips when bids and asks are swapped: f(x) - f(mirror x).

It cannot learn the drift of the training day, which is no skill, and has half the weights. What
the touch says of the side depends on how busy and how wide the market is: hence a few products.
"""

from dataclasses import dataclass

from flowsense.model.linear import Linear
from flowsense.model.terms import Products, Terms, odd, products
from flowsense.tape import Column

TOUCH = (
    *("imb_l1", "imb_cum5", "micro", "ofi_l1_100ms", "ofi_l1_1s", "flow_share_1s"),
    *("last_trade_1s", "last_move_1s", "ret_100ms", "ret_1s"),
)
STATE = ("spread", "spread_rank", "rv_10s", "changes_1s", "since_move", "traded", "queue_bid")


@dataclass(frozen=True, slots=True)
class Antisymmetric(Linear):
    """Odd terms without mean or constant."""

    def side(self, columns: tuple[Column, ...]) -> Terms:
        return odd(columns)

    @property
    def centred(self) -> bool:
        return False

    def products(self, columns: tuple[Column, ...], terms: Terms) -> Products:
        return products(columns, terms, TOUCH, STATE)
