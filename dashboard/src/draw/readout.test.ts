import { describe, expect, it } from "vitest";
import { columnsOf } from "../testing/drawn";
import { BROKEN, MID, ONE_SIDED, WHOLE } from "../wire";
import { byte } from "./heat";
import { byteAt, lastKnown, lotsAt, sideAt, stateAt, valueAt } from "./readout";

const image = Uint8Array.from([byte(10), byte(3), 0, byte(7)]);
const columns = columnsOf(
  [
    { number: 10, base: 1_000, state: WHOLE, known: MID, mid: 1_004, image },
    { number: 11, base: 1_000, state: BROKEN, known: 0, image },
    { number: 13, base: 1_000, state: WHOLE, known: 0, image },
  ],
  4,
  2,
);

describe("under the cursor", () => {
  it("is the size of the cell that holds the price", () => {
    expect(lotsAt(columns, 10, 1_001.9)).toBeCloseTo(10, 0);
    expect(lotsAt(columns, 10, 1_002)).toBeCloseTo(3, 0);
    expect(lotsAt(columns, 10, 1_004)).toBe(0);
  });

  it("is nothing known outside of the picture, in gaps and where nothing was received", () => {
    for (const [number, price] of [
      [10, 999.9],
      [10, 1_008],
      [11, 1_001],
      [12, 1_001],
    ] as const)
      expect(lotsAt(columns, number, price)).toBeNaN();
    expect(byteAt(columnsOf([]), 10, 1_000)).toBe(-1);
  });

  it("is the side that the mid tells, if it is known", () => {
    const sides = [sideAt(columns, 10, 1_005), sideAt(columns, 10, 1_003), sideAt(columns, 13, 1)];
    expect(sides).toEqual(["ask", "bid", ""]);
  });

  it("is the state of the book, in words", () => {
    const states = columnsOf([
      { number: 10, state: WHOLE },
      { number: 11, state: ONE_SIDED },
      { number: 12, state: BROKEN },
      { number: 14, state: WHOLE },
    ]);
    expect([10, 11, 12, 13, 15].map((n) => stateAt(states, n))).toEqual([
      ...["book whole", "one side of the book only", "market's book broken", "not received"],
      "not yet",
    ]);
  });

  it("is a value whose bit is set, and no other", () => {
    const { mid } = columns.fields;
    expect(valueAt(columns, 10, mid, MID)).toBe(1_004);
    expect(valueAt(columns, 11, mid, MID)).toBeNaN();
    expect(valueAt(columns, 12, mid, MID)).toBeNaN();
  });

  it("looks back for what was known last, but not for ever", () => {
    expect(columns.fields.number[lastKnown(columns, 13, MID, 10)]).toBe(10);
    expect(lastKnown(columns, 13, MID, 3)).toBe(-1);
  });
});
