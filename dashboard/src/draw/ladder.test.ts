import { describe, expect, it } from "vitest";
import { PALETTES } from "../palette";
import { recording } from "../testing/drawn";
import type { BookNow } from "../told";
import { BROKEN, WHOLE } from "../wire";
import { PriceAxis } from "./axis";
import { GAP, type Patterns } from "./hatch";
import { ladder, largest, prices } from "./ladder";

const TICK = 0.5;
const book: BookNow = {
  ...{ topic: "book", venue: "v", symbol: "s", number: 1, state: WHOLE },
  bids: [
    [100, 2],
    [99.5, 8],
    [50, 1_000],
  ],
  asks: [[100.5, 4]],
};
const patterns = { [GAP]: "g" } as unknown as Patterns;

/** Prices 90 .. 110, ten pixels a tick. */
function drawn(now: BookNow): string[] {
  const { calls, context } = recording();
  const axis = Object.assign(new PriceAxis(), { centre: 200, ticks: 40, height: 400 });
  const on = { context, width: 400, height: 416, ratio: 1, palette: PALETTES.dark };
  ladder(on, now, axis, TICK, 240, patterns);
  return calls;
}

describe("the book now", () => {
  const axis = Object.assign(new PriceAxis(), { centre: 200, ticks: 40, height: 400 });

  it("is drawn to the largest size in sight, not to one far away", () => {
    expect(largest(book, axis, TICK)).toBe(8);
    const calls = drawn(book);
    expect(calls).toContain("fillRect(300,196,25,9)"); // 2 of 8, at 100
    expect(calls).toContain("fillRect(300,206,100,9)");
    expect(calls).toContain("fillRect(300,186,50,9)");
    expect(calls.filter((call) => /fillRect\(300,/.test(call))).toHaveLength(3);
  });

  it("is hatched where it is broken, without a number", () => {
    const calls = drawn({ ...book, state: BROKEN, bids: [], asks: [] });
    expect(calls).toEqual(["fillStyle=g", "fillRect(300,0,100,400)"]);
  });

  it("has one side where there is one", () => {
    const calls = drawn({ ...book, asks: [] });
    expect(calls.filter((call) => call.startsWith("fillText"))).toHaveLength(2);
  });

  it("keeps round prices away from the best ones", () => {
    const { calls, context } = recording();
    const on = { context, width: 400, height: 416, ratio: 1, palette: PALETTES.dark };
    prices(on, undefined, axis, TICK, 240);
    const all = calls.filter((call) => call.startsWith("fillText")).length;
    calls.length = 0;
    prices(on, book, axis, TICK, 240);
    expect(calls.filter((call) => call.startsWith("fillText"))).toHaveLength(all - 1);
  });
});
