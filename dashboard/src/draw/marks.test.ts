import { describe, expect, it } from "vitest";
import { PALETTES } from "../palette";
import { axisOf, columnsOf, recording } from "../testing/drawn";
import type { Made } from "../testing/encode";
import { BROKEN, MID, WHOLE } from "../wire";
import { PriceAxis } from "./axis";
import { GAP, MISSING, type Patterns, SEEN, SILENT } from "./hatch";
import { Dots, hatches, line, mark, radius } from "./marks";

const prices = Object.assign(new PriceAxis(), { centre: 100, ticks: 20, height: 20 });
const at = (number: number, mid: number): Made => ({ number, mid, known: MID, state: WHOLE });

describe("a line of prices", () => {
  const draw = (made: Made[], end: number, span: number, width: number) => {
    const { calls, context } = recording();
    const columns = columnsOf(made);
    line(context, columns, axisOf(end, span, width), prices, columns.fields.mid, MID, 1);
    return calls.filter((call) => /^(move|line)To/.test(call));
  };

  it("goes in steps", () => {
    const drawn = draw([at(10, 100), at(11, 101)], 11, 2, 20);
    expect(drawn).toEqual(["moveTo(0,10)", "lineTo(10,10)", "lineTo(10,9)", "lineTo(20,9)"]);
  });

  it("never crosses a gap, nor what was not received", () => {
    const gap: Made = { number: 11, mid: 100, known: 0, state: BROKEN };
    expect(draw([at(10, 100), gap, at(12, 100)], 12, 3, 30).filter((c) => c[0] === "m")).toEqual([
      "moveTo(0,10)",
      "moveTo(20,10)",
    ]);
    expect(draw([at(10, 100), at(12, 100)], 12, 3, 30)).toHaveLength(4);
  });

  it("spans all prices of a pixel of several columns, and leaves mostly unknown ones out", () => {
    const made = [at(12, 100), at(13, 105), at(14, 97), at(15, 101), at(16, 100), at(23, 100)];
    const drawn = draw(made, 23, 12, 3);
    expect(drawn).toEqual(["moveTo(0,13)", "lineTo(0,5)", "lineTo(1,5)"]);
  });
});

describe("hatches", () => {
  const patterns = { [SILENT]: "s", [GAP]: "g", 3: "n", [MISSING]: "m" } as unknown as Patterns;

  const drawn = (...what: number[]) => {
    const { calls, context } = recording();
    const on = { context, palette: PALETTES.dark, width: 50, height: 20, ratio: 1 };
    const all = { verdict: (bin: number) => what[bin - 10]! };
    hatches(on, axisOf(14, 5, 50), all, patterns, 0, 20);
    return calls;
  };

  it("are one rectangle for each run, on ground that covers what reaches into it", () => {
    const ground = `fillStyle=${PALETTES.dark.ground}`;
    expect(drawn(SEEN, GAP, GAP, MISSING, SEEN)).toEqual([
      ...[ground, "fillRect(10,0,20,20)", "fillStyle=g", "fillRect(10,0,20,20)"],
      ...[ground, "fillRect(30,0,10,20)", "fillStyle=m", "fillRect(30,0,10,20)"],
    ]);
  });

  it("leave the last known book in sight while the feed is silent", () => {
    expect(drawn(SEEN, SILENT, SILENT, SEEN, SEEN)).toEqual([
      "fillStyle=s",
      "fillRect(10,0,20,20)",
    ]);
  });
});

describe("trades", () => {
  const whole = { verdict: () => SEEN };
  const trade = (lots: number, side = 1) => ({ cell: 0, side, lots });
  const traded = (number: number, ...trades: Made["trades"] & object): Made => ({
    ...{ number, base: 100, state: WHOLE, trades },
  });

  it("are shown each, with a shape for who was the aggressor", () => {
    const columns = columnsOf([traded(10, trade(1, 1), trade(1, -1), trade(1, 0))]);
    const axis = axisOf(10, 1, 10);
    const dots = new Dots();
    const { calls, context } = recording();
    dots.survey(columns, axis);
    dots.draw(context, axis, prices, PALETTES.dark, 8, 1, whole, false);
    expect(dots.least).toBe(0);
    expect(calls.filter((c) => c.startsWith("closePath"))).toHaveLength(2);
    expect(calls.filter((c) => c.startsWith("arc"))).toHaveLength(1);
    expect(calls.filter((c) => c === "fill()")).toHaveLength(2); // the unknown one is hollow
  });

  it("are drawn apart where the book was seen and where it was not", () => {
    const columns = columnsOf([traded(10, trade(1)), traded(11, trade(1)), traded(12, trade(1))]);
    const axis = axisOf(12, 3, 30);
    const dots = new Dots();
    dots.survey(columns, axis);
    const what = { verdict: (bin: number) => [SEEN, GAP, SILENT][bin - 10]! };
    const drawn = [false, true].map((unseen) => {
      const { calls, context } = recording();
      dots.draw(context, axis, prices, PALETTES.dark, 1, 1, what, unseen);
      return calls.filter((c) => c.startsWith("moveTo")).map((c) => c.slice(0, 9));
    });
    expect(drawn).toEqual([["moveTo(5,", "moveTo(25"], ["moveTo(15"]]);
  });

  it("are the largest where there are too many, and it is said from which size on", () => {
    const made = Array.from({ length: 60 }, (_, k) =>
      traded(100 + k, ...Array.from({ length: 20 }, (_, t) => trade(k === 7 && t < 3 ? 500 : 1))),
    );
    const dots = new Dots();
    dots.survey(columnsOf(made), axisOf(159, 60, 60));
    expect(dots.least).toBeGreaterThan(1);
    expect(dots.least).toBeLessThanOrEqual(500);
  });

  it("have areas in proportion to their size", () => {
    expect(radius(100, 100, 8)).toBe(8);
    expect(radius(25, 100, 8)).toBe(4);
    expect(radius(0.01, 100, 8)).toBe(2);
    expect(radius(1e9, 100, 8)).toBe(8);
  });

  it("have triangles with the area of the circle, pointing where they push", () => {
    const { calls, context } = recording();
    mark(context, 1, 0, 0, 10);
    const points = calls.slice(0, 3).map((c) => c.match(/-?[\d.]+/g)!.map(Number));
    const [[ax, ay], [bx, by], [cx, cy]] = points as [number[], number[], number[]];
    const area = Math.abs((bx! - ax!) * (cy! - ay!) - (cx! - ax!) * (by! - ay!)) / 2;
    expect(area).toBeCloseTo(Math.PI * 100, -1);
    expect(ay!).toBeLessThan(by!);
  });
});
