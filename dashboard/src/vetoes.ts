// Why a prediction must not be acted on, in the words of `flowsense.served.VETOES`: a test of the
// server compares the two, name by name.

export const VETOES: Readonly<Record<string, string>> = {
  warming_up: "too few rows yet for model or risk: 600, or 60 over a day",
  unsure: "no side, or less confidence than asked for",
  disagreement: "fewer of the members name the side than have to",
  too_few: "fewer members answered than have to",
  poor_reward: "too little reward for the risk, after costs",
  exposure: "the limit of this instrument, or of all, is used up",
  correlated: "what is held already bets on the same",
  drawdown: "as much is lost as may be",
  breaker: "a circuit breaker is open",
  not_trading: "halted, an auction, or the book has a gap",
  too_small: "less than a lot, or than the venue takes",
  no_market: "a row of your own: only its forecasts mean anything",
};
