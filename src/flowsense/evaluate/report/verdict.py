"""What was found, said no louder than the paired intervals allow."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple

from flowsense.evaluate.curves import headline as leading
from flowsense.evaluate.report.markup import count, figure, points
from flowsense.forecast import Target

Score = Mapping[str, Any]  # one entry of metrics.json
Metrics = Mapping[str, Any]
Mark = Literal["above", "level", "below", "unknown"]

STANDS: Mapping[Mark, str] = {
    "above": "above on",
    "level": "not told apart on",
    "below": "below on",
    "unknown": "not to be judged on",
}
SPACE = "\N{NO-BREAK SPACE}"
LOWER = ("log_loss", "brier", "mae", "rmse")  # less is better
NULLS = {
    "majority": "the majority",
    "always_one_side": "always the same side",
    "always_up": "always up",
    "always_down": "always down",
    "vote": "the vote null",
    "persistence": "persistence",
    "last_trade": "the last trade's sign",
    "imbalance": "queue imbalance",
    "past_mean": "the mid's past mean",
    "random_walk": "a random walk",
    "median": "the median",
    "mean": "the mean",
}


class Verdict(NamedTuple):
    """A score beside the null that does best by the same score, chosen against the model."""

    value: float | None
    null: str  # its name, empty where none has this score
    beside: float | None
    interval: tuple[float, float] | None  # of model minus null, paired
    mark: Mark

    @property
    def difference(self) -> float | None:
        return None if self.value is None or self.beside is None else self.value - self.beside


def read(entry: Mapping[str, Any], key: str) -> float | None:
    """``accuracy``, ``coverage@0.25``, ... of a score or a null."""
    name, _, share = key.partition("@")
    value = entry.get(name)
    if share:
        value = value.get(share) if value else None
    return None if value is None else float(value)


def judge(score: Score, key: str) -> Verdict:
    """Above or below only where the paired interval leaves zero out."""
    value, sign = read(score, key), -1 if key in LOWER else 1
    ranked = [(sign * x, name) for name, x in rivals(score, key)]
    if not ranked:
        return Verdict(value, "", None, None, "unknown")
    name = max(ranked)[1]
    null = score["nulls"][name]
    found = null["difference"].get(key)
    mark: Mark = "unknown"
    if found is not None:
        low, high = sorted(sign * x for x in found)
        mark = "above" if low > 0 else "below" if high < 0 else "level"
    return Verdict(value, name, read(null, key), tuple(found) if found else None, mark)


def rivals(score: Score, key: str) -> Iterator[tuple[str, float]]:
    """Nulls that have this score; shuffled labels are a check, not a rival."""
    for name, null in score["nulls"].items():
        value = read(null, key)
        if name != "shuffled" and value is not None:
            yield name, value


def main_key(score: Score) -> str:
    return "accuracy" if "accuracy" in score else "mae"


def chosen(metrics: Metrics) -> str:
    """The model chosen on validation rows, else the first: never the best on test rows."""
    names = list(metrics["models"])
    return str(metrics["chosen"]) if metrics.get("chosen") in names else names[0]


def spoken(null: str) -> str:
    return NULLS.get(null, null)


def targets(metrics: Metrics) -> list[str]:
    """In the order of the first model that has them."""
    return list(dict.fromkeys(t for scores in metrics["models"].values() for t in scores))


def shown(metrics: Metrics) -> str | None:
    """The target that the report leads with."""
    found = list(metrics["models"].get(chosen(metrics), {})) if metrics["models"] else []
    return str(leading(map(Target.parse, found))) if found else None


def place(score: Score, target: str) -> str:
    """``GOOG mid@500ms``."""
    names = list(score["by_instrument"])
    if len(names) > 2:
        return f"{target} across {len(names)} instruments"
    return f"{' and '.join(names)} {target}".strip()


def title(metrics: Metrics) -> str:
    """The finding in one line."""
    target = shown(metrics)
    if target is None:
        return "Nothing could be scored"
    name, score = chosen(metrics), metrics["models"][chosen(metrics)][target]
    found, where = judge(score, main_key(score)), place(score, target)
    sure = not doubtful(metrics, target)
    if found.mark == "above":
        return f"{name} {'beats' if sure else 'seems to beat'} {spoken(found.null)} on {where}"
    if found.mark == "below":
        return f"{name} {'does' if sure else 'seems'} worse than {spoken(found.null)} on {where}"
    if found.mark == "level":
        return f"No skill shown above {spoken(found.null)} on {where}"
    return f"Not enough data to judge {name} on {where}"


def sentences(metrics: Metrics) -> Iterator[str]:
    """The finding with its numbers, then how it stands over all targets."""
    target = shown(metrics)
    if target is None:
        yield "No target has a valid test row; the reasons stand under warnings."
        return
    name = chosen(metrics)
    score = metrics["models"][name][target]
    yield (
        _size(name, target, score) if main_key(score) == "mae" else _direction(name, target, score)
    )
    yield _all(name, metrics["models"][name], sum(narrow(metrics, t) for t in targets(metrics)))
    for warning in about(metrics, target):
        yield f"Caution: {warning}."


def doubtful(metrics: Metrics, target: str) -> bool:
    """Its intervals come from few blocks or few rows."""
    return any("narrow" in w or "too few" in w for w in about(metrics, target))


def narrow(metrics: Metrics, target: str) -> bool:
    """The same of a score that has an interval at all."""
    score = metrics["models"][chosen(metrics)].get(target)
    there = score is not None and judge(score, main_key(score)).interval is not None
    return there and doubtful(metrics, target)


def about(metrics: Metrics, target: str) -> list[str]:
    """Warnings that touch the finding itself, not what another model made of the target."""
    others = set(metrics["models"]) - {chosen(metrics)}
    named = [(w, set(w.split(": ")[0].split(", "))) for w in metrics.get("warnings", [])]
    return [w for w, about in named if target in about and not about & others]


def _direction(name: str, target: str, score: Score) -> str:
    found = judge(score, "accuracy")
    what = "rows" if target.startswith("regime") else "moved rows"
    where = f"On {count(score['n'])} {what} of {place(score, target)}"
    if found.value is None:
        return f"{where} {name} has no score."
    constant = read(score["nulls"]["majority"], "accuracy")
    beside = [f"{figure(constant)} for the majority"] if constant is not None else []
    if found.null not in ("majority", "") and found.beside is not None:
        beside.append(f"{figure(found.beside)} for {spoken(found.null)}, its best null")
    return f"{where}, {name} scores {figure(found.value)} against {' and '.join(beside)}: " + (
        _gap(found)
    )


def _gap(found: Verdict) -> str:
    if found.difference is None or found.interval is None:
        return "the test span is too short to say whether the difference is luck."
    low, high = found.interval
    if low == high == 0:
        return "the same calls."
    said = (
        f"{points(found.difference)} points (95{SPACE}% interval {points(low)} to {points(high)})"
    )
    if found.mark == "above":
        return f"{said}."
    if found.mark == "below":
        return f"{said}, worse than a rule that has learned no side."
    return f"{said}, which luck alone can explain."


def _size(name: str, target: str, score: Score) -> str:
    found = judge(score, "mae")
    if found.value is None or found.beside is None:
        return f"{target}: {name} has no score."
    end = {
        "above": "smaller than luck explains",
        "below": "larger, beyond luck",
        "level": "a difference that luck explains",
    }
    unknown = "the test span is too short to say whether the difference is luck"
    return (
        f"On {count(score['n'])} rows of {place(score, target)}, {name} errs by "
        f"{figure(found.value)} ticks on average against {figure(found.beside)} for "
        f"{spoken(found.null)}: {end.get(found.mark, unknown)}."
    )


def _all(name: str, scores: Mapping[str, Score], narrow: int) -> str:
    marks = Counter(judge(score, main_key(score)).mark for score in scores.values())
    n = len(scores)
    counts = {mark: f"all {n}" if marks[mark] == n > 1 else marks[mark] for mark in STANDS}
    parts = [f"{words} {counts[mark]}" for mark, words in STANDS.items() if marks[mark]]
    doubt = f"; the intervals of {narrow} are too narrow to trust" if narrow else ""
    where = "the one target" if len(scores) == 1 else f"each of {len(scores)} targets"
    return f"Against its best null on {where}, {name} is {', '.join(parts)}{doubt}."
