import { describe, expect, it } from "vitest";
import { columnsOf } from "../testing/drawn";
import { BROKEN, NOTHING, ONE_SIDED, STALE, WHOLE } from "../wire";
import {
  AHEAD,
  GAP,
  HATCHES,
  inked,
  MISSING,
  NONE,
  SEEN,
  SILENT,
  seen,
  Tally,
  TILE,
  tile,
  verdict,
} from "./hatch";

const states = (...all: number[]) =>
  columnsOf(all.flatMap((state, k) => (state < 0 ? [] : [{ number: 100 + k, state }])));

describe("what a column shows", () => {
  it("tells a broken book from none yet, from silence, and from what was not received", () => {
    const columns = columnsOf([
      { number: 100, state: NOTHING },
      { number: 101, state: BROKEN },
      { number: 102, state: WHOLE, marks: STALE },
      { number: 104, state: ONE_SIDED },
    ]);
    const shown = [100, 101, 102, 103, 104, 105].map((n) => seen(columns, n));
    expect(shown).toEqual([NONE, GAP, SILENT, MISSING, SEEN, AHEAD]);
  });

  it("was never made before the server's first, and not received after it", () => {
    const columns = columnsOf([
      { number: 102, state: WHOLE },
      { number: 104, state: WHOLE },
    ]);
    columns.begun = 101;
    expect([99, 100, 101, 103].map((n) => seen(columns, n))).toEqual([
      NONE,
      NONE,
      MISSING,
      MISSING,
    ]);
    columns.begun = 104; // another server: what was held before it is not in question
    expect([101, 103].map((n) => seen(columns, n))).toEqual([NONE, MISSING]);
  });
});

describe("what a bin shows", () => {
  it.each([
    [[WHOLE, WHOLE, WHOLE, BROKEN], SEEN],
    [[WHOLE, WHOLE, BROKEN, BROKEN], GAP],
    [[BROKEN, -1, -1, WHOLE], MISSING],
    [[NOTHING, NOTHING, NOTHING, WHOLE], NONE],
    [[WHOLE, WHOLE, WHOLE, WHOLE], SEEN],
  ])("of %j is %i", (all, what) => expect(verdict(states(...all), 25, 4)).toBe(what));

  it("leaves out what is later than the newest", () => {
    expect(verdict(states(WHOLE), 25, 4)).toBe(SEEN);
    expect(verdict(states(BROKEN), 25, 4)).toBe(GAP);
    expect(verdict(states(WHOLE), 26, 4)).toBe(AHEAD);
  });

  it("is the worst, where a gap must not be lost", () => {
    const tally = new Tally();
    const worst = (...all: number[]) => {
      tally.begin();
      for (const what of all) tally.add(what);
      return tally.worst();
    };
    expect(worst(SEEN, SEEN, GAP, SEEN)).toBe(GAP);
    expect(worst(SEEN, MISSING, GAP, SEEN)).toBe(MISSING);
    expect(worst(SEEN)).toBe(SEEN);
    expect(worst()).toBe(AHEAD);
  });
});

describe("hatches", () => {
  const drawn = (hatch: (typeof HATCHES)[number]) =>
    Array.from({ length: TILE * TILE }, (_, i) => inked(hatch, i % TILE, Math.floor(i / TILE)));

  it("differ from each other in many pixels", () => {
    for (const one of HATCHES)
      for (const other of HATCHES.filter((h) => h > one)) {
        const a = drawn(one);
        const b = drawn(other);
        expect(a.filter((ink, k) => ink !== b[k]).length).toBeGreaterThanOrEqual(8);
      }
  });

  it("leave most of a silent picture to be seen", () => {
    expect(drawn(SILENT).filter(Boolean).length).toBeLessThanOrEqual(4);
  });

  it("go on over the edge of a tile", () => {
    for (const hatch of [GAP, MISSING] as const) {
      const step = hatch === GAP ? -1 : 1; // strokes rise or fall by a pixel a pixel
      for (let y = 0; y < TILE; y++)
        expect(inked(hatch, 0, y)).toBe(inked(hatch, TILE - 1, (y - step + TILE) % TILE));
    }
  });

  it("are scaled by whole device pixels", () => {
    const small = tile(GAP, "#ffffff", 1);
    const large = tile(GAP, "#ffffff", 2);
    expect(large.length).toBe(4 * small.length);
    expect(large.filter((p) => p !== 0).length).toBe(4 * small.filter((p) => p !== 0).length);
  });
});
