// Who pushed: order flow imbalance per bin, cumulated volume, and imbalance of the book, in three lanes.

import type { Columns } from "../columns";
import { IMBALANCE, OFI1, OFI5, OFI10 } from "../wire";
import type { TimeAxis } from "./axis";
import { AHEAD, SEEN, SILENT, seenAt, Tally } from "./hatch";
import type { Surface } from "./surface";

export const LEVELS = [1, 5, 10] as const;
export type Levels = (typeof LEVELS)[number];

/** What is drawn, by bin from the left: sums and last values; not a number where it is not known. */
export class Bins {
  many = 0;
  readonly ofi: Readonly<Record<Levels, Float64Array>>;
  readonly cvd: Float64Array;
  readonly imbalance: Float64Array;
  readonly verdicts: Uint8Array;
  /** The least and greatest CVD. */
  low = 0;
  high = 0;

  constructor(readonly size: number) {
    const row = () => new Float64Array(size);
    this.ofi = { 1: row(), 5: row(), 10: row() };
    this.cvd = row();
    this.imbalance = row();
    this.verdicts = new Uint8Array(size);
  }

  private first = 0;
  private readonly tally = new Tally();
  private readonly counts = new Uint16Array(4);
  private readonly sums = new Float64Array(4);

  /** What the bin shows. */
  verdict(bin: number): number {
    return this.verdicts[bin - this.first] ?? AHEAD;
  }

  /** Puts the columns of an axis into bins. */
  fill(columns: Columns, axis: TimeAxis): void {
    this.many = Math.min(axis.last - axis.first + 1, this.size);
    this.first = axis.first;
    for (let k = 0; k < this.many; k++) this.one(columns, k, axis.first + k, axis.per);
    this.measure();
  }

  /** Sums of those that are known, the mean imbalance, and the CVD at the end. */
  private one(columns: Columns, k: number, bin: number, per: number): void {
    const { known, ofi1, ofi5, ofi10, imbalance, cvd } = columns.fields;
    const { ofi, tally } = this;
    const end = Math.min((bin + 1) * per - 1, columns.newest);
    const { counts, sums } = this;
    let last = Number.NaN;
    tally.begin();
    counts.fill(0);
    sums.fill(0);
    for (let n = bin * per; n <= end; n++) {
      const place = columns.place(n);
      tally.add(seenAt(columns, place, n));
      if (place < 0) continue;
      const bits = known[place]!;
      last = cvd[place]!;
      if (bits & OFI1) this.add(0, ofi1[place]!);
      if (bits & OFI5) this.add(1, ofi5[place]!);
      if (bits & OFI10) this.add(2, ofi10[place]!);
      if (bits & IMBALANCE) this.add(3, imbalance[place]!);
    }
    const what = tally.verdict();
    const blind = what !== SEEN && what !== SILENT;
    this.verdicts[k] = what;
    ofi[1][k] = blind || counts[0] === 0 ? Number.NaN : sums[0]!;
    ofi[5][k] = blind || counts[1] === 0 ? Number.NaN : sums[1]!;
    ofi[10][k] = blind || counts[2] === 0 ? Number.NaN : sums[2]!;
    this.imbalance[k] = blind || counts[3] === 0 ? Number.NaN : sums[3]! / counts[3]!;
    this.cvd[k] = blind ? Number.NaN : last;
  }

  private add(which: number, value: number): void {
    this.counts[which]!++;
    this.sums[which]! += value;
  }

  private measure(): void {
    this.low = Number.POSITIVE_INFINITY;
    this.high = Number.NEGATIVE_INFINITY;
    for (let k = 0; k < this.many; k++) {
      const cvd = this.cvd[k]!;
      if (cvd < this.low) this.low = cvd;
      if (cvd > this.high) this.high = cvd;
    }
  }

  /** The greatest distance of an OFI from 0. */
  reach(levels: Levels): number {
    const values = this.ofi[levels];
    let most = 0;
    for (let k = 0; k < this.many; k++) {
      const size = Math.abs(values[k]!);
      if (size > most) most = size;
    }
    return most;
  }

  /** CVD where the plot begins to know it. */
  start(): number {
    for (let k = 0; k < this.many; k++) {
      if (!Number.isNaN(this.cvd[k]!)) return this.cvd[k]!;
    }
    return Number.NaN;
  }
}

/** One lane of the plot: device pixels from the top, and what its edges stand for. */
export interface Lane {
  top: number;
  height: number;
  low: number;
  high: number;
}

const place = (lane: Lane, value: number) =>
  lane.top + (lane.height * (lane.high - value)) / (lane.high - lane.low || 1);

/** Bars from 0, up and down in the colours of who pushed. */
export function bars(
  on: Surface,
  axis: TimeAxis,
  first: number,
  values: Float64Array,
  many: number,
  lane: Lane,
): void {
  const { context, palette } = on;
  const zero = Math.round(place(lane, 0));
  for (const side of SIDES) {
    context.fillStyle = side > 0 ? palette.up : palette.down;
    for (let k = 0; k < many; k++) {
      const value = values[k]!;
      if (!(value * side > 0)) continue;
      const x = axis.edge(first + k);
      const wide = axis.edge(first + k + 1) - x;
      const y = place(lane, value);
      const tall = Math.max(Math.abs(y - zero), 1);
      context.fillRect(x, side > 0 ? zero - tall : zero, wide > 3 ? wide - 1 : wide, tall);
    }
  }
}

const SIDES = [1, -1] as const;

/** A line of steps that ends where nothing is known, and begins anew. */
export function steps(
  on: Surface,
  axis: TimeAxis,
  first: number,
  values: Float64Array,
  many: number,
  lane: Lane,
): void {
  const { context } = on;
  let before = false;
  context.beginPath();
  for (let k = 0; k < many; k++) {
    const value = values[k]!;
    if (Number.isNaN(value)) {
      before = false;
      continue;
    }
    const x = axis.edge(first + k);
    const y = place(lane, value);
    if (before) context.lineTo(x, y);
    else context.moveTo(x, y);
    context.lineTo(Math.max(axis.edge(first + k + 1), x + 1), y);
    before = true;
  }
  context.stroke();
}
