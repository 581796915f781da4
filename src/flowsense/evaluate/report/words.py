"""One short sentence for each term on the page; `docs/metrics.md` is the long form."""

TERMS = {
    "target": "What is forecast how far ahead: mid@500ms is whether the mid price stands higher, "
    "lower or the same half a second later, compared with the mid now.",
    "moved rows": "Rows where the target did move; accuracy, coverage and side-balanced are over "
    "these, because “flat” would be right on nearly all rows.",
    "accuracy": "Share of moved rows whose side, the sign of P(up) - P(down), was right; a tie "
    "counts half.",
    "best null": "The rule without learning that scores highest by that same score on these very "
    "rows, picked in hindsight against the model.",
    "majority": "Forecasts the class frequencies of the training rows.",
    "vote": "The unfitted sum of queue imbalance, order flow imbalance and the last trade's sign, "
    "each by its training deviation; a partner's return too where there is one.",
    "paired interval": "95 % interval of model minus null on the same rows, by stationary block "
    "bootstrap with blocks of at least 60 s; it leaves zero out by luck for one target in twenty.",
    "conviction": "|P(up) - P(down)| / (P(up) + P(down)): how one-sided a forecast is.",
    "coverage": "Accuracy over the moved rows with the most conviction; it compares models, but "
    "knows in hindsight which rows move.",
    "tradable": "The same with nothing known in hindsight: a threshold from validation rows, "
    "applied to every test row.",
    "side-balanced": "Mean of the accuracy of up calls and of down calls: always saying “up” on a "
    "rising day scores no more than .5.",
    "log-loss": "Mean -ln of the probability given to what came, nats, over all valid rows; less "
    "is better.",
    "Brier": "Mean squared distance of the three probabilities from what came; less is better.",
    "ECE": "Gap between probabilities and frequencies; the band is what a perfectly calibrated "
    "forecast shows on so many rows by luck.",
    "macro F1, MCC, balanced accuracy": "Scores of the most likely of three classes, over all "
    "valid rows.",
    "IC": "Rank correlation of the forecast move with the move that came.",
    "ceiling": "What a forecaster that knows the truth of a simulated market reaches; the share of "
    "skill is how much of the way from the majority to it the model goes, on log-loss.",
    "past mean, random walk": "Of a smoothed label: the side on which the mid stands of its mean "
    "over the last horizon, taken as the call on these rows, and on walks that move as often and "
    "as far as these prices but up or down by the toss of a coin. What a score has above chance "
    "and not above these, the label gave away.",
    "shuffled": "The model's own forecasts against labels moved in blocks of time; a score far "
    "from a coin's says that something leaks or drifts.",
}
