import { describe, expect, it } from "vitest";
import type { Reliability, Tenth } from "../told";
import { counts, picked, points, scores } from "./reliability";

const SQUARE = { left: 20, top: 0, size: 100 };
const BINS: Tenth[] = [
  { said: 0.25, came: 0.5, weight: 10, error: 0.3 },
  { said: 0.95, came: 0.9, weight: 400, error: 0.2 },
  { said: 0.5, came: 0, weight: 0, error: 0 },
];
const KNOWN: Reliability = {
  target: "mid@1s",
  outcomes: 60,
  weight: 50,
  hit_rate: 0.6,
  last_side: 0.52,
  majority: 0.55,
  brier: 0.5,
  brier_null: 0.6,
  ece: 0.03,
  ece_limit: 0.05,
  bins: BINS,
};
const NOTHING: Reliability = {
  ...KNOWN,
  outcomes: 0,
  weight: 0,
  hit_rate: null,
  last_side: null,
  majority: null,
  brier: null,
  brier_null: null,
  ece: null,
  ece_limit: null,
  bins: [],
};

describe("points", () => {
  it("lie where what was said and what came put them, upwards for more", () => {
    const [first] = points(BINS, SQUARE);
    expect(first).toMatchObject({ x: 45, y: 50 });
    expect(first?.high).toBeCloseTo(20);
    expect(first?.low).toBeCloseTo(80);
  });

  it("end their error bars where a share ends", () => {
    expect(points(BINS, SQUARE)[1]?.high).toBe(0);
  });

  it("leave out a bin that nothing fell into: how often is not known there", () => {
    expect(points(BINS, SQUARE).length).toBe(2);
  });
});

describe("counts", () => {
  it("are ten bars, of the fullest bin's height and of none", () => {
    const found = counts(BINS, SQUARE);
    expect(found.map((one) => one.share)).toEqual([0, 0, 0.025, 0, 0, 0, 0, 0, 0, 1]);
    expect(found[9]?.x).toBeCloseTo(110);
  });

  it("are all empty without outcomes", () => {
    expect(counts([], SQUARE).every((one) => one.share === 0)).toBe(true);
  });
});

describe("scores", () => {
  it("are not called better where the 95 % interval reaches the better baseline", () => {
    const hits = (weight: number) =>
      scores({ ...KNOWN, bins: [{ said: 0.6, came: 0.6, weight, error: 0.1 }] })[2];
    expect([hits(300)?.passes, hits(300)?.verdict]).toEqual([null, "may be luck"]);
    expect([hits(400)?.passes, hits(400)?.verdict]).toEqual([true, "above both"]);
  });

  it("stand beside what they are without skill", () => {
    const [ece, brier, hits] = scores(KNOWN);
    expect(ece?.beside).toEqual([{ name: "by luck up to", value: 0.05 }]);
    expect(brier?.beside[0]?.value).toBe(0.6);
    expect(hits?.beside.map((one) => one.value)).toEqual([0.55, 0.52]);
    expect([ece?.passes, brier?.passes, hits?.passes]).toEqual([true, true, true]);
  });

  it("fail beyond luck, and where the better baseline is as good", () => {
    const [ece, brier, hits] = scores({ ...KNOWN, ece: 0.06, last_side: 0.6, brier: 0.61 });
    expect([brier?.passes, brier?.verdict]).toEqual([false, "no better"]);
    expect([ece?.passes, ece?.verdict]).toEqual([false, "beyond luck"]);
    expect(hits?.passes).toBe(false);
  });

  it("judge nothing before there are outcomes", () => {
    for (const score of scores(NOTHING)) {
      expect(score.value).toBeNull();
      expect(score.passes).toBeNull();
      expect(score.beside.every((one) => one.value === null)).toBe(true);
    }
  });
});

describe("the target shown", () => {
  it("is the one picked, and the first where that one is gone", () => {
    const other = { ...KNOWN, target: "mid@5s" };
    expect(picked([KNOWN, other], "mid@5s")).toBe(other);
    expect(picked([KNOWN, other], "gone")).toBe(KNOWN);
    expect(picked([], "mid@5s")).toBeUndefined();
  });
});
