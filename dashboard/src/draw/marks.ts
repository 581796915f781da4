// What lies on the picture: the lines of mid and microprice, trades, and the hatches of what was not seen.

import type { Columns } from "../columns";
import type { Palette } from "../palette";
import type { PriceAxis, TimeAxis } from "./axis";
import type { Patterns } from "./hatch";
import { AHEAD, type Hatch, SEEN, SILENT } from "./hatch";
import type { Surface } from "./surface";

/** What each bin shows. */
export interface Verdicts {
  verdict(bin: number): number;
}

/** Nothing is known of the book there. */
const blind = (kind: number) => kind !== SEEN && kind !== SILENT && kind !== AHEAD;

/**
 * Paints runs of bins that were not seen, or were but silently. What reaches into them from beside,
 * such as half of a large trade's mark, is covered unless they were but silent.
 */
export function hatches(
  { context, palette }: Surface,
  axis: TimeAxis,
  what: Verdicts,
  patterns: Patterns,
  top: number,
  height: number,
): void {
  let bin = axis.first;
  while (bin <= axis.last) {
    const from = bin;
    const kind = what.verdict(bin);
    do bin++;
    while (bin <= axis.last && what.verdict(bin) === kind);
    if (kind === SEEN || kind === AHEAD) continue;
    const x0 = axis.edge(from);
    const wide = axis.edge(bin) - x0;
    if (blind(kind)) {
      context.fillStyle = palette.ground;
      context.fillRect(x0, top, wide, height);
    }
    context.fillStyle = patterns[kind as Hatch];
    context.fillRect(x0, top, wide, height);
  }
}

/**
 * A line of prices that breaks where its bit is unset, and where a bin is mostly unknown. A bin of
 * several columns spans from the least to the greatest of them.
 */
export function line(
  context: CanvasRenderingContext2D,
  columns: Columns,
  axis: TimeAxis,
  prices: PriceAxis,
  values: Float64Array,
  bit: number,
  width: number,
): void {
  const { known } = columns.fields;
  const { per } = axis;
  let on = false;
  context.beginPath();
  for (let bin = axis.first; bin <= axis.last; bin++) {
    let low = Number.POSITIVE_INFINITY;
    let high = Number.NEGATIVE_INFINITY;
    let many = 0;
    for (let n = bin * per; n < (bin + 1) * per; n++) {
      const place = columns.place(n);
      if (place < 0 || (known[place]! & bit) === 0) continue;
      const value = values[place]!;
      if (value < low) low = value;
      if (value > high) high = value;
      many++;
    }
    if (many === 0 || 2 * many <= Math.min(per, columns.newest + 1 - bin * per)) {
      on = false;
      continue;
    }
    const x0 = axis.edge(bin);
    const y0 = prices.y(low);
    if (on) context.lineTo(x0, y0);
    else context.moveTo(x0, y0);
    if (high > low) context.lineTo(x0, prices.y(high));
    context.lineTo(Math.max(axis.edge(bin + 1), x0 + 1), prices.y(high));
    on = true;
  }
  context.lineWidth = width;
  context.stroke();
}

const MOST = 250;
const HALVES = 64; // bins of sizes, two for each doubling
const SIDES = [-1, 0, 1] as const;
const ROOM = 4 * MOST;

/** Trades in sight: the largest, at most MOST or so, so that many columns do not become a smear. */
export class Dots {
  /** Lots from which on trades are shown; 0: all. */
  least = 0;
  /** Lots of the largest mark. */
  most = 1;
  private readonly counts = new Uint32Array(HALVES);
  /** Those that are shown, a ring: column, price in ticks, size, side. */
  private readonly number = new Float64Array(ROOM);
  private readonly price = new Float64Array(ROOM);
  private readonly lots = new Float32Array(ROOM);
  private readonly side = new Int8Array(ROOM);
  private many = 0; // so far
  private taken = 0; // the newest column of them

  /** Looks at all in sight for what is shown: all trades of a size, or none of it. */
  survey(columns: Columns, axis: TimeAxis): void {
    const { counts } = this;
    counts.fill(0);
    let all = 0;
    for (let n = axis.left; n <= axis.end; n++) {
      const trades = columns.trades(n);
      for (let k = 0; k < trades.length; k++) {
        counts[halves(trades[k]!.lots)]!++;
        all++;
      }
    }
    let above = 0;
    let from = HALVES;
    let top = -1;
    while (from > 0 && above + counts[from - 1]! <= MOST) {
      above += counts[--from]!;
      if (top < 0 && above > 0.005 * Math.min(all, MOST)) top = from;
    }
    this.least = above === all ? 0 : 2 ** (from / 2) - 1;
    this.most = 2 ** ((Math.max(top, 0) + 1) / 2) - 1;
    this.many = 0;
    this.taken = axis.left - 1;
    this.take(columns, axis);
  }

  /** Those of columns that came since. */
  take(columns: Columns, axis: TimeAxis): void {
    const { base } = columns.fields;
    for (let n = Math.max(this.taken + 1, axis.left); n <= axis.end; n++) {
      const trades = columns.trades(n);
      for (let k = 0; k < trades.length; k++) {
        const { cell, side, lots } = trades[k]!;
        if (lots < this.least) continue;
        const i = this.many++ % ROOM;
        this.number[i] = n;
        this.price[i] = base[columns.place(n)]! + (cell + 0.5) * columns.bucket;
        this.lots[i] = lots;
        this.side[i] = side;
      }
    }
    this.taken = Math.max(this.taken, axis.end);
  }

  /**
   * Bought: filled and pointing up; sold: filled and pointing down; unknown: a ring. `largest` is
   * the radius of the largest mark, device pixels. Those alone of bins in which the book was seen,
   * or of those in which it was not: trades are heard then, too, and lie on the hatch.
   */
  draw(
    context: CanvasRenderingContext2D,
    axis: TimeAxis,
    prices: PriceAxis,
    palette: Palette,
    largest: number,
    width: number,
    what: Verdicts,
    unseen: boolean,
  ): void {
    for (const side of SIDES) {
      context.beginPath();
      for (let i = 0; i < Math.min(this.many, ROOM); i++) {
        const number = this.number[i]!;
        if (this.side[i] !== side || number < axis.left || number > axis.end) continue;
        const y = prices.y(this.price[i]!);
        if (y < -largest || y > prices.height + largest) continue;
        if (blind(what.verdict(Math.floor(number / axis.per))) !== unseen) continue;
        const size = radius(this.lots[i]!, this.most, largest);
        mark(context, side, axis.x(number + 0.5), y, size);
      }
      context.lineWidth = side === 0 ? 1.5 * width : width;
      context.strokeStyle = side === 0 ? palette.ink : palette.edge;
      context.fillStyle = side > 0 ? palette.up : palette.down;
      context.stroke();
      if (side !== 0) context.fill(); // over the edges, which would hide small marks that are close
    }
  }
}

function halves(lots: number): number {
  return Math.min(Math.max(Math.floor(2 * Math.log2(1 + lots)), 0), HALVES - 1);
}

/** Area in proportion to the size, between what can be seen and the largest. */
export function radius(lots: number, most: number, largest: number): number {
  return Math.max(largest * Math.sqrt(Math.min(lots / most, 1)), largest / 4);
}

/** Adds a mark to the path: a triangle or a circle of the same area as a circle of the radius. */
export function mark(
  context: CanvasRenderingContext2D,
  side: number,
  x: number,
  y: number,
  radius: number,
): void {
  if (side === 0) {
    context.moveTo(x + radius, y);
    context.arc(x, y, radius, 0, 2 * Math.PI);
    return;
  }
  const out = 1.555 * radius; // from the centre to a corner: an area of pi radius^2
  const up = side > 0 ? -1 : 1;
  context.moveTo(x, y + up * out);
  context.lineTo(x - 0.866 * out, y - (up * out) / 2);
  context.lineTo(x + 0.866 * out, y - (up * out) / 2);
  context.closePath();
}
