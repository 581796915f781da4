import { describe, expect, it } from "vitest";
import {
  difference,
  gain,
  gap,
  interval,
  marked,
  matches,
  means,
  ofHash,
  ordered,
  scoreOf,
  shortened,
  spelled,
  strip,
  targets,
  toHash,
  towards,
  value,
  word,
} from "./table";
import type { Finished, Score } from "./told";

function score(target: string, at: number | null, beside: number | null, more = {}): Score {
  const plain = { score: "accuracy", null: "the vote null", ci95: null, rows: 10 } as const;
  return { target, value: at, beside, stands: "level", ...plain, ...more };
}

function run(name: string, scores: Score[], more = {}): Finished {
  const told = { kind: "run", when: 1, title: "", model: "xgboost", why: "" } as const;
  return { name, scores, instruments: ["BTCUSDT"], pages: [], ...told, ...more };
}

const A = run("a10", [score("mid@1s", 0.6, 0.5), score("mid@5s", 0.4, 0.5)], { when: 3 });
const B = run("a9", [score("mid@1s", 0.55, 0.54, { stands: "above" })], { when: 2 });
const C = run("broken", [], { why: "its results are damaged: run again." });
const names = (all: Finished[]) => all.map((one) => one.name);

describe("the order of runs", () => {
  it("is by numbers in names, and back", () => {
    expect(names(ordered([C, A, B], "", { by: "name", down: false }))).toEqual([
      "a9",
      "a10",
      "broken",
    ]);
    expect(names(ordered([C, A, B], "", { by: "name", down: true }))).toEqual([
      "broken",
      "a10",
      "a9",
    ]);
  });

  it("has what is not known last, whichever way", () => {
    for (const by of ["score", "null", "difference", "stands"] as const)
      for (const down of [true, false])
        expect(names(ordered([C, A, B], "", { by, down })).at(-1)).toBe("broken");
  });

  it("is by the score of the target that is asked for", () => {
    expect(names(ordered([B, A], "", { by: "score", down: true }))).toEqual(["a10", "a9"]);
    expect(names(ordered([B, A], "mid@5s", { by: "score", down: false }))).toEqual(["a10", "a9"]);
    expect(names(ordered([A, B], "", { by: "stands", down: true }))).toEqual(["a9", "a10"]);
  });

  it("takes the smaller error for the better", () => {
    const size = score("magnitude@1s", 1.2, 1.5, { score: "mae" });
    expect(gap(size)).toBeCloseTo(-0.3);
    expect(gain(size)).toBeCloseTo(0.3);
    expect(gain(score("x", null, 1))).toBeNull();
  });
});

describe("what is shown of a score", () => {
  it("is in points, nats, ticks or percent", () => {
    expect(difference("accuracy", 0.0481)).toBe("+4.8");
    expect(difference("log_loss", -0.01)).toBe("−0.0100");
    expect(interval("mae", [-0.02, 0.01])).toBe("−0.0200 to +0.0100");
    expect(difference("return", -0.0012)).toBe("−0.120");
    expect(value("return", -0.0012)).toBe("−0.120 %");
    expect(value("accuracy", 0.638)).toBe("0.638");
  });

  it("is a dash where there is none, never 0", () => {
    expect([value("accuracy", null), difference("mae", null), interval("mae", null)]).toEqual([
      "–",
      "–",
      "–",
    ]);
    expect(value("return", null)).toBe("–");
  });

  it("is spelled", () => {
    expect(["coverage@0.25", "log_loss", "accuracy"].map(spelled)).toEqual([
      "at 25 %",
      "log-loss",
      "accuracy",
    ]);
  });

  it("says of a backtest whether it is luck", () => {
    const net = score("net", 0.01, 0, { score: "return" });
    expect(means(net)).toBe("not told apart from luck");
    expect([word(net), word({ ...net, stands: "above" })]).toEqual(["may be luck", "better"]);
    expect(word({ ...net, score: "accuracy" })).toBe("no difference");
    expect(means({ ...net, stands: "above" })).toContain("told apart");
    expect(means({ ...net, stands: "unknown" })).toContain("too few");
    expect(means(A.scores[0]!)).toContain("not told apart from its best null");
  });
});

it("finds runs by every word, wherever it stands", () => {
  expect(matches(A, "XGB btc")).toBe(true);
  expect(matches(A, "mid@5s a10")).toBe(true);
  expect(matches(A, "xgb eth")).toBe(false);
  expect(matches(C, "damaged")).toBe(true);
  expect(matches(A, "")).toBe(true);
});

it("knows the score that is asked for, or the first", () => {
  expect(scoreOf(A, "")?.target).toBe("mid@1s");
  expect(scoreOf(A, "mid@5s")?.value).toBe(0.4);
  expect(scoreOf(B, "mid@5s")).toBeUndefined();
  expect(targets([A, B, C])).toEqual(["mid@1s", "mid@5s"]);
});

it("shows a name by its own folder first", () => {
  expect(shortened(A)).toEqual({ name: "a10", about: "xgboost" });
  const taker = run("btc/next/backtest/taker", [], { kind: "backtest" });
  expect(shortened(taker)).toEqual({ name: "taker", about: "btc/next/backtest · backtest" });
});

it("marks two, the same again none, a third in place of B", () => {
  expect(marked([], "x")).toEqual(["x"]);
  expect(marked(["x"], "y")).toEqual(["x", "y"]);
  expect(marked(["x", "y"], "z")).toEqual(["x", "z"]);
  expect(marked(["x", "y"], "x")).toEqual(["y"]);
});

it("keeps what is open in the address", () => {
  for (const open of [[], ["btc/first"], ["a b", "c&d=e"]])
    expect(ofHash(toHash(open))).toEqual(open);
  expect(ofHash("#b=x")).toEqual(["x"]);
  expect(ofHash("#a=x&b=x")).toEqual(["x"]);
});

it("draws an interval at the side of the better", () => {
  expect(towards("accuracy", [0.01, 0.03])).toEqual([-0.03, -0.01]); // A is better: left
  expect(towards("log_loss", [0.01, 0.03])).toEqual([0.01, 0.03]); // A errs more: right, to B
  expect(strip([-0.02, 0], 0.02)).toEqual({ left: 0, width: 50 });
  expect(strip([-9, 9], 1)).toEqual({ left: 0, width: 100 });
  expect(strip([0, 0], 0)).toEqual({ left: 50, width: 0 });
});
