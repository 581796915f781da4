// The book's history as a picture: bins of columns by rows of prices, kept as a ring of pixels, so that
// a column that arrives costs one strip, and scrolling costs none.

import type { Columns } from "../columns";
import { ONE_SIDED, STEPS } from "../wire";
import type { TimeAxis } from "./axis";
import { AHEAD, SEEN, SILENT, verdict } from "./hatch";

/** A row that no column of the bin looked at. */
export const OUTSIDE = -1;

/** Lots at a byte of the image. */
export function lots(byte: number): number {
  return 2 ** (byte / STEPS) - 1;
}

/** The byte that is nearest. */
export function byte(size: number): number {
  return Math.min(Math.max(Math.round(STEPS * Math.log2(1 + size)), 0), 255);
}

/**
 * The greatest of each row over the columns of a bin. Row r holds the cells
 * [(bottom + r) * tall, (bottom + r + 1) * tall), counted from price 0.
 */
export function strip(
  columns: Columns,
  bin: number,
  per: number,
  bottom: number,
  tall: number,
  out: Int16Array,
): void {
  out.fill(OUTSIDE);
  const { cells, bucket, image, fields } = columns;
  const rows = out.length;
  for (let n = bin * per; n < (bin + 1) * per; n++) {
    const place = columns.place(n);
    if (place < 0 || fields.state[place]! < ONE_SIDED) continue;
    const cell = Math.round(fields.base[place]! / bucket);
    let row = Math.floor(cell / tall) - bottom;
    let left = tall - (cell - Math.floor(cell / tall) * tall); // cells of this row still to come
    const start = place * cells;
    for (let k = 0; k < cells; k++) {
      if (row >= 0 && row < rows) {
        const value = image[start + k]!;
        if (value > out[row]!) out[row] = value;
      }
      if (--left === 0) {
        row++;
        left = tall;
      }
    }
  }
}

/** Counts of bytes above 0 of the columns in sight, of about `most` columns at most. */
export function histogram(columns: Columns, axis: TimeAxis, most: number, out: Uint32Array): void {
  out.fill(0);
  const { cells, image, fields } = columns;
  const step = Math.max(Math.ceil(axis.span / most), 1);
  for (let n = Math.ceil(axis.left / step) * step; n <= axis.end; n += step) {
    const place = columns.place(n);
    if (place < 0 || fields.state[place]! < ONE_SIDED) continue;
    const end = (place + 1) * cells;
    for (let k = place * cells; k < end; k++) {
      const value = image[k]!;
      out[value] = out[value]! + 1;
    }
  }
  out[0] = 0;
}

/** The least byte that a share of those counted do not exceed; 0 where nothing was counted. */
export function quantile(counts: Uint32Array, share: number): number {
  let all = 0;
  for (let k = 0; k < counts.length; k++) all += counts[k]!;
  if (all === 0) return 0;
  let below = 0;
  for (let k = 0; k < counts.length; k++) {
    below += counts[k]!;
    if (below >= share * all) return k;
  }
  return counts.length - 1;
}

const SAMPLES = 48;

/**
 * Cells from the lowest price to the highest at which anything rests in sight, without the tenth
 * of each column that lies furthest out; 0 where nothing rests.
 */
export function extent(columns: Columns, axis: TimeAxis): number {
  const { cells, bucket, image, fields } = columns;
  const step = Math.max(Math.floor(axis.span / SAMPLES), 1);
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (let n = axis.end; n >= axis.left; n -= step) {
    const place = columns.place(n);
    if (place < 0 || fields.state[place]! < ONE_SIDED) continue;
    const start = place * cells;
    let all = 0;
    for (let k = 0; k < cells; k++) if (image[start + k]! > 0) all++;
    if (all === 0) continue;
    const out = Math.floor(all / 20); // on each side
    const base = Math.round(fields.base[place]! / bucket);
    low = Math.min(low, base + outward(image, start, 1, out));
    high = Math.max(high, base + cells - 1 - outward(image, start + cells - 1, -1, out));
  }
  return high >= low ? high - low + 1 : 0;
}

/** Cells from an edge of an image to the first in which anything rests, leaving `out` of them out. */
function outward(image: Uint8Array, start: number, way: number, out: number): number {
  let k = 0;
  for (let left = out; ; k++) {
    if (image[start + way * k]! > 0 && left-- === 0) return k;
  }
}

const HELD = 2 ** 14; // more than a bin has columns

/** Where a raster's pixels go: one column of a canvas. */
export interface Sheet {
  /** From the top. */
  readonly pixels: Uint32Array;
  put(slot: number): void;
}

/** Bins lie at slot `bin mod size`; which of them are drawn, and of how many columns, is remembered. */
export class Raster {
  readonly rows: number;
  /** Cells that a row spans, and the lowest row, counted from price 0. */
  tall = 1;
  bottom = 0;
  per = 1;
  /** Rises when bins before the newest were drawn for what they show, not for its colours. */
  filled = 0;
  private readonly values: Int16Array;
  private readonly bins: Float64Array; // by slot
  private readonly held: Int32Array; // as `received` has it
  private readonly made: Int32Array; // with which colours
  private readonly verdicts: Uint8Array;
  private colours = 0;

  constructor(
    readonly size: number,
    private readonly sheet: Sheet,
    private readonly ink: Uint32Array,
  ) {
    this.rows = sheet.pixels.length;
    this.values = new Int16Array(this.rows);
    this.bins = new Float64Array(size).fill(-1);
    this.held = new Int32Array(size);
    this.made = new Int32Array(size);
    this.verdicts = new Uint8Array(size);
  }

  /** Other rows or bins: nothing that was drawn is of use. */
  lay(per: number, tall: number, bottom: number): void {
    if (per === this.per && tall === this.tall && bottom === this.bottom) return;
    this.per = per;
    this.tall = tall;
    this.bottom = bottom;
    this.forget();
  }

  forget(): void {
    this.bins.fill(-1);
  }

  /** Other colours: what was drawn stays until it is drawn again. */
  recolour(): void {
    this.colours++;
  }

  /** What the bin shows; AHEAD where it has not been drawn. */
  verdict(bin: number): number {
    const slot = this.slot(bin);
    return this.bins[slot] === bin ? this.verdicts[slot]! : AHEAD;
  }

  slot(bin: number): number {
    return ((bin % this.size) + this.size) % this.size;
  }

  drawn(bin: number): boolean {
    return this.bins[this.slot(bin)] === bin;
  }

  /**
   * Draws the bins in sight that have changed, the newest first, of about `budget` cells;
   * -> whether none is left.
   */
  update(columns: Columns, axis: TimeAxis, budget: number): boolean {
    let left = budget;
    for (let bin = axis.last; bin >= axis.first; bin--) {
      const slot = this.slot(bin);
      const held = this.received(columns, bin);
      const same = this.bins[slot] === bin && this.held[slot] === held;
      if (same && this.made[slot] === this.colours) continue;
      if (left <= 0) return false;
      if (!same && bin < axis.last) this.filled++;
      left -= (held % HELD) * columns.cells + this.rows;
      this.bins[slot] = bin;
      this.held[slot] = held;
      this.made[slot] = this.colours;
      this.draw(columns, bin, slot);
    }
    return true;
  }

  /** Of the bin: columns that are held, and above them how many there could be. */
  private received(columns: Columns, bin: number): number {
    const first = bin * this.per;
    const past = Math.min(columns.newest - first + 1, this.per);
    let held = 0;
    for (let n = first; n < first + past; n++) {
      if (columns.place(n) >= 0) held++;
    }
    return past * HELD + held;
  }

  /** The table of colours has one more than bytes: that of what was not looked at. */
  private draw(columns: Columns, bin: number, slot: number): void {
    const what = verdict(columns, bin, this.per);
    this.verdicts[slot] = what;
    const { pixels } = this.sheet;
    const { rows, values, ink } = this;
    const outside = ink[256]!;
    if (what !== SEEN && what !== SILENT) {
      pixels.fill(0);
    } else {
      strip(columns, bin, this.per, this.bottom, this.tall, values);
      for (let r = 0; r < rows; r++) {
        const value = values[r]!;
        pixels[rows - 1 - r] = value < 0 ? outside : ink[value]!;
      }
    }
    this.sheet.put(slot);
  }
}

/** Copies what was drawn to the plot, in as few pieces as the ring allows; prices from the top. */
export function copy(
  context: CanvasRenderingContext2D,
  raster: Raster,
  source: CanvasImageSource,
  axis: TimeAxis,
  top: number, // raster rows from its upper edge
  rows: number,
  height: number,
): void {
  context.imageSmoothingEnabled = false;
  let bin = axis.first;
  while (bin <= axis.last) {
    if (!raster.drawn(bin)) {
      bin++;
      continue;
    }
    const from = bin;
    const slot = raster.slot(bin);
    let many = 0;
    while (bin <= axis.last && slot + many < raster.size && raster.drawn(bin)) {
      bin++;
      many++;
    }
    const x0 = axis.x(from * raster.per);
    const x1 = axis.x(bin * raster.per);
    context.drawImage(source, slot, top, many, rows, x0, 0, x1 - x0, height);
  }
}
