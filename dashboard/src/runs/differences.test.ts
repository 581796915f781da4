import { expect, it } from "vitest";
import { limits, looked, verdict } from "./differences";
import type { Beside, Difference } from "./told";

const difference = (more: Partial<Difference>): Difference => ({
  ...{
    score: "accuracy",
    a: 0.6,
    b: 0.5,
    difference: 0.1,
    ci95: [0.05, 0.15],
    p: 0.01,
    better: "a",
  },
  ...more,
});

it("says which is better by a word and a shape", () => {
  expect(verdict(difference({})).word).toBe("A better");
  expect(verdict(difference({ better: "b" })).shape).toBe("▶");
  expect(verdict(difference({ better: null })).word).toBe("no difference");
  expect(verdict(difference({ better: null, ci95: null })).word).toBe("too short");
});

it("draws all of a unit to one scale", () => {
  const scores = [
    difference({ ci95: [-0.2, 0.1] }),
    difference({ score: "coverage@0.25", ci95: [0, 0.3] }),
    difference({ score: "log_loss", ci95: null }),
  ];
  const one: Beside = { target: "mid@1s", n: 1, rows: 1, verdict: "", scores, in_turn: [] };
  expect([...limits([one])]).toEqual([
    ["points", 0.3],
    ["nats", 0],
  ]);
});

it("tells what one who looked at all times would know", () => {
  const at = 1_704_205_800e9;
  expect(looked({ score: "accuracy", better: "b", at, blocks: 52 })).toBe(
    "accuracy: B since 2024-01-02 14:30:00 UTC",
  );
  expect(looked({ score: "log_loss", better: null, at: null, blocks: 1_052 })).toBe(
    "log-loss: undecided after 1,052 blocks",
  );
});
