import { describe, expect, it } from "vitest";
import type { Prediction, Vote, VotesNow } from "../told";
import { VETOES } from "../vetoes";
import { bar, lean, likelihood, named, reasons, side, spread } from "./votes";

function vote(p_down: number | null, p_up: number | null, state: Vote["state"] = "ok"): Vote {
  const p_flat = p_down === null || p_up === null ? null : 1 - p_down - p_up;
  return { name: "m", state, why: "", p_down, p_flat, p_up, value: 0, weight: null, age_ms: null };
}

const PREDICTION: Prediction = {
  sequence: 41,
  ts: 1_700_000_000_000_000_000,
  symbol: "BTCUSDT",
  venue: "binance",
  target: "mid@1s",
  direction: 1,
  confidence: 0.75,
  position_size: 0.02,
  magnitude: 1.5,
  mid: 100,
  stop: 99,
  take_profit: 102,
  reward_risk: 1.6,
  vetoes: [],
  forecasts: [
    { target: "mid@500ms", p_down: 0.3, p_flat: 0.4, p_up: 0.3, value: 0, ready: true },
    { target: "mid@1s", p_down: 0.2, p_flat: 0.2, p_up: 0.6, value: 1.5, ready: true },
  ],
  stale: false,
  model_version: "a25a2cc7",
  regime: {},
  agreement: null,
  abstained: [],
  neutral: "",
  latency_us: {},
};

function now(prediction: Partial<Prediction> | null, should_trade = false): VotesNow {
  return {
    topic: "votes",
    venue: "binance",
    symbol: "BTCUSDT",
    prediction: prediction === null ? null : { ...PREDICTION, ...prediction },
    should_trade,
    votes: [],
    answered: 1,
    needed: 1,
  };
}

describe("a side", () => {
  it("says itself by word, sign and shape, no two alike", () => {
    const all = [side(1), side(-1), side(0)];
    for (const part of ["word", "sign", "shape"] as const)
      expect(new Set(all.map((one) => one[part])).size).toBe(3);
  });
});

describe("the likelihood of a decision", () => {
  it("is that of the target acted on, not of the first", () => {
    expect(likelihood(PREDICTION)?.p_up).toBe(0.6);
  });

  it("is not known while the model warms up, though it says a third each", () => {
    const forecasts = PREDICTION.forecasts.map((one) => ({ ...one, ready: false }));
    expect(likelihood({ ...PREDICTION, forecasts })).toBeNull();
  });
});

describe("the lean of a member", () => {
  it("is P(up) - P(down)", () => {
    expect(lean(vote(0.25, 0.5))).toBe(0.25);
  });

  it("is not known of who was left out or warms up, and is never 0 then", () => {
    expect(lean(vote(0.25, 0.5, "left out"))).toBeNull();
    expect(lean(vote(null, null, "warming up"))).toBeNull();
  });

  it("draws down to the left of the middle and up to the right", () => {
    expect(bar(-0.5)).toEqual({ left: 25, width: 25 });
    expect(bar(0.5)).toEqual({ left: 50, width: 25 });
    expect(bar(3)).toEqual({ left: 50, width: 50 });
  });
});

describe("how members differ", () => {
  it("is the way from the lowest lean to the highest of those heard", () => {
    const all = [vote(0.6, 0.1), vote(0.125, 0.25), vote(null, null, "left out")];
    expect(spread(all)).toBeCloseTo(0.625);
    expect(named(all)).toEqual({ up: 1, down: 1, none: 0 });
  });

  it("is nothing where fewer than two were heard", () => {
    expect(spread([vote(0.6, 0.1), vote(null, null, "left out")])).toBeNull();
  });
});

describe("why not to act", () => {
  it("is empty of what may be acted on", () => {
    expect(reasons(now({}, true))).toEqual([]);
  });

  it("has every veto in words, and that it is stale", () => {
    const found = reasons(now({ vetoes: ["unsure", "breaker"], stale: true }));
    expect(found.map((one) => one.name)).toEqual(["unsure", "breaker", "stale"]);
    expect(found[0]?.says).toBe(VETOES.unsure);
  });

  it("says so where nothing but the size or the side is missing", () => {
    expect(reasons(now({ direction: 0 }))[0]?.says).toBe("there is no side");
    expect(reasons(now({ position_size: 0 }))[0]?.says).toBe("the size is 0");
    expect(reasons(now(null))[0]?.says).toMatch(/nothing was said/);
  });

  it("tells how many members answered, once", () => {
    const neutral = "1 of 4 members answered, 2 are needed";
    expect(reasons(now({ neutral })).map((one) => one.says)).toEqual([neutral]);
    expect(reasons(now({ neutral, vetoes: ["too_few"] })).length).toBe(1);
  });

  it("keeps a veto that it does not know, by its name", () => {
    expect(reasons(now({ vetoes: ["eclipse"] }))).toEqual([{ name: "eclipse", says: "eclipse" }]);
  });
});
