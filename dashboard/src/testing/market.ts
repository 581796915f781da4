// A made-up market, column by column, the same for the same seed. It has whatever a page must bear:
// gaps in the venue's book, one side missing, columns that never were made, values not known.

import type { Trade } from "../columns";
import {
  ACT,
  BREAKER,
  BROKEN,
  IMBALANCE,
  MICRO,
  MID,
  NO_REGIME,
  NOTHING,
  OFI1,
  OFI5,
  OFI10,
  ONE_SIDED,
  SAID,
  STALE,
  SWAPPED,
  WHOLE,
} from "../wire";
import { byteOf, type Made } from "./encode";

export const CELLS = 256;
const ALL = MID | MICRO | OFI1 | OFI5 | OFI10 | IMBALANCE | SAID;

/** Numbers in [0, 1), the same for the same seed (mulberry32). */
export function random(seed: number): () => number {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = a;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** What befalls a column, by its number: every minute and a half the same again. */
export function fate(number: number): number {
  const at = number % 900;
  if (at >= 200 && at < 230) return BROKEN;
  if (at >= 400 && at < 410) return ONE_SIDED;
  return WHOLE;
}

/** The stream leapt over these: they never were made. */
export const never = (number: number) => number % 900 >= 600 && number % 900 < 625;

export interface Market {
  readonly bucket: number;
  /** The column of this number; numbers rise. */
  next(number: number): Made;
  /** Top of the book, ticks and lots, best first. */
  levels(side: 1 | -1): [number, number][];
}

const BUCKET = 2; // ticks of a cell

/** What rests around a mid, of walls at every 25th cell and less farther away. */
function rest(draw: () => number, mid: number, base: number): Uint8Array {
  const out = new Uint8Array(CELLS);
  for (let k = 0; k < CELLS; k++) {
    const tick = base + (k + 0.5) * BUCKET;
    const away = Math.abs(tick - mid);
    if (away < 1.5) continue;
    const wall = Math.floor(tick / BUCKET) % 25 === 0 ? 12 : 1;
    out[k] = byteOf(wall * 40 * Math.exp(-away / 150) * (0.4 + draw()));
  }
  return out;
}

/** push: above 0 buyers are the more eager, below 0 sellers. away: ticks of the mid from the base. */
function trade(draw: () => number, push: number, away: number): Trade[] {
  const count = draw() < 0.6 ? 0 : 1 + Math.floor(4 * draw());
  return Array.from({ length: count }, () => {
    const side = draw() < 0.05 ? 0 : draw() < 0.5 + push / 4 ? 1 : -1;
    const lots = Math.ceil(30 * draw() ** 4);
    return { cell: Math.floor((away + side) / BUCKET), side, lots };
  });
}

export function createMarket(seed: number, first: number, start = 40_000): Market {
  const draw = random(seed);
  let mid = start;
  let base = start - (CELLS / 2) * BUCKET;
  let cvd = 0;
  let push = 0;

  function next(number: number): Made {
    push = 0.9 * push + 0.4 * (draw() - 0.5);
    mid += Math.round(2 * push + 2 * (draw() - 0.5));
    const quarter = (CELLS * BUCKET) / 4;
    if (mid < base + quarter || mid >= base + 3 * quarter) base = mid - (CELLS / 2) * BUCKET;
    const state = number < first + 5 ? NOTHING : fate(number);
    const whole = state === WHOLE;
    const ofi = 20 * push + 8 * (draw() - 0.5);
    const trades = trade(draw, push, mid - base);
    for (const { side, lots } of trades) cvd += side * lots;
    const said = whole && number > first + 60;
    return {
      number,
      base,
      cvd,
      mid: whole ? mid : 0,
      micro: whole ? mid + push : 0,
      ofi1: whole ? ofi : 0,
      ofi5: whole ? 1.6 * ofi : 0,
      ofi10: whole ? 2.1 * ofi : 0,
      imbalance: whole ? Math.max(-1, Math.min(1, 2 * push)) : 0,
      state,
      known: (whole ? ALL & ~SAID : 0) | (said ? SAID : 0),
      direction: said ? Math.sign(Math.round(4 * push)) : 0,
      confidence: said ? Math.round(255 * Math.min(1, 0.5 + Math.abs(push) / 2)) : 0,
      regime: said ? Math.floor(number / 150) % 3 : NO_REGIME,
      likely: said ? Math.round(255 * (0.5 + 0.5 * draw())) : 0,
      marks:
        (said && Math.abs(push) > 0.3 ? ACT : 0) |
        (state === BROKEN ? STALE : 0) |
        (number % 900 >= 700 && number % 900 < 740 ? BREAKER : 0) |
        (number % 900 === 500 ? SWAPPED : 0),
      image: state === NOTHING || state === BROKEN ? new Uint8Array(CELLS) : rest(draw, mid, base),
      trades: state === NOTHING ? [] : trades,
    };
  }

  function levels(side: 1 | -1): [number, number][] {
    return Array.from({ length: 10 }, (_, k) => [
      mid - side * (1 + k),
      Math.ceil(10 + 30 * draw()),
    ]);
  }

  return { bucket: BUCKET, next, levels };
}
