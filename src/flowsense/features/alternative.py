"""Standard names of alternative data: options, sentiment, large holders, the economy, chains.

Any source of observations whose kinds carry these names gives documented columns, each value and
its age, so that what was learned from one vendor's numbers is asked of another's. What nobody
observes is missing. Easley, O'Hara & Srinivas 1998 (option volume); Xing, Zhang & Zhao 2010 (skew);
Barbon & Buraschi 2021 (gamma); Tetlock 2007 (news); Chen et al. 2014 (posts); Livnat & Mendenhall
2006 (earnings); Comerton-Forde & Putnins 2015 (dark pools); Boehmer, Jones & Zhang 2008 (shorts);
Whaley 2000 (VIX); Makarov & Schoar 2020 (flows on chains).
"""

from typing import NamedTuple

from flowsense.tape import Column

VERSION = 1


class Field(NamedTuple):
    """What a number of that name means, wherever it comes from."""

    unit: str
    formula: str
    source: str  # where such numbers are usually had
    mirror: str = ""  # "-" where it is above 0 for what is good for buyers, else below


TAPE = "option trades and quotes (OPRA, Deribit)"
NEWS = "news analytics (RavenPack, LSEG)"
POSTS = "posts scored by a vendor"
TRF = "trade reports (FINRA TRF)"
BROKERS = "brokers' estimates (I/B/E/S)"
FRED = "FRED, futures"
LEDGER = "ledger of the chain and known addresses"
DAY, HOUR = "of the day so far", "of the last hour"
GROUPS: dict[str, dict[str, Field]] = {
    "options flow": {
        "put_call_volume": Field("1", f"puts traded / calls traded, {DAY}", TAPE),
        "put_call_interest": Field("1", "open puts / open calls, all expiries", "OCC, venue"),
        "option_premium_flow": Field(
            "money", f"calls bought + puts sold - calls sold - puts bought, {DAY}", TAPE, "-"
        ),
        "gamma_exposure": Field(
            "money",
            "what dealers trade for a move of 1 %: sum of gamma x open x multiplier x S^2 / 100",
            "OCC open interest, option quotes",
        ),
        "implied_volatility": Field("1/sqrt(y)", "at the money, 30 days", TAPE),
        "implied_rank": Field("1", "share of the days of a year with less of it", TAPE),
        "implied_skew": Field("1/sqrt(y)", "25-delta calls - 25-delta puts, 30 days", TAPE, "-"),
        "implied_term": Field("1/sqrt(y)", "implied volatility of 90 days - 30 days", TAPE),
    },
    "sentiment": {
        "news_sentiment": Field("1", f"mean tone, -1 (bad) to 1 (good), {HOUR}", NEWS, "-"),
        "news_count": Field("count", f"items {HOUR}", NEWS),
        "social_sentiment": Field("1", f"mean tone, -1 (bad) to 1 (good), {HOUR}", POSTS, "-"),
        "social_count": Field("count", f"posts {HOUR}", POSTS),
        "earnings_surprise": Field("1", "(earnings - expected) / price, a share", BROKERS, "-"),
        "analyst_revision": Field("1", "(raised - cut) / estimates, 30 days", BROKERS, "-"),
    },
    "large holders": {
        "dark_share": Field("1", f"lots off exchange / all lots, {DAY}", TRF),
        "dark_imbalance": Field("1", f"(bought - sold) / lots off exchange, {DAY}", TRF, "-"),
        "block_imbalance": Field(
            "1", f"(bought - sold) / lots in blocks of 10,000 or more, {DAY}", "SIP trades", "-"
        ),
        "short_share": Field("1", f"lots sold short / all lots, {DAY}", "FINRA, exchanges"),
    },
    "economy": {
        "vix": Field("%", "implied volatility of the S&P 500, 30 days, a year", "Cboe"),
        "yield_10y": Field("%", "of the 10-year government bond", FRED),
        "yield_slope": Field("%", "10-year - 2-year government yield", FRED),
        "credit_spread": Field("%", "yield of high-yield - of government bonds", "FRED, ICE BofA"),
        "dollar_index": Field("1", "the dollar against a basket of currencies", "ICE"),
    },
    "on-chain flow": {
        "exchange_flow": Field("coins", f"withdrawn from venues - deposited, {HOUR}", LEDGER, "-"),
        "large_transfers": Field("count", f"of 1 M dollars or more, {HOUR}", LEDGER),
        "active_addresses": Field("count", "that sent or received, of the last day", LEDGER),
        "stablecoin_flow": Field("money", "minted - burnt, of the last day", LEDGER, "-"),
    },
}
FIELDS = {name: field for group in GROUPS.values() for name, field in group.items()}


def observed(name: str) -> tuple[Column, Column]:
    """The columns of any kind of observation: its value and its age."""
    aged = Column(f"{name}_age", "s", f"since what {name} tells of happened")
    if name not in FIELDS:
        return Column(name, "1", f"{name} as last known"), aged
    unit, formula, source, mirror = FIELDS[name]
    return Column(name, unit, f"{formula}; {source}", mirror), aged


COLUMNS = tuple(column for name in FIELDS for column in observed(name))
