// What was not seen is hatched, each reason in its own way; no line and no colour goes over it.

import type { Columns } from "../columns";
import { ABSENT } from "../columns";
import type { Palette } from "../palette";
import { channels, pixel } from "../palette";
import { BROKEN, NOTHING, STALE } from "../wire";

/** What a bin shows. */
export const SEEN = 0;
/** The feed was silent: the book is the last that was heard. */
export const SILENT = 1;
/** The market's book was broken: a gap until the next snapshot. */
export const GAP = 2;
/** No book has ever been whole. */
export const NONE = 3;
/** This page has not received the columns. */
export const MISSING = 4;
/** Later than the newest column. */
export const AHEAD = 5;

export const HATCHES = [SILENT, GAP, NONE, MISSING] as const;
export type Hatch = (typeof HATCHES)[number];

/** In words, for legends and read-outs. */
export const WORDS: Readonly<Record<number, string>> = {
  [SEEN]: "book whole",
  [SILENT]: "feed silent: last known book",
  [GAP]: "market's book broken",
  [NONE]: "no book yet",
  [MISSING]: "not received",
  [AHEAD]: "not yet",
};

/** Of one column. */
export function seen(columns: Columns, number: number): number {
  return number > columns.newest ? AHEAD : seenAt(columns, columns.place(number), number);
}

/** Of one column that is no later than the newest, by its place, too. */
export function seenAt(columns: Columns, place: number, number: number): number {
  if (place < 0) return number < Math.min(columns.begun, columns.oldest) ? NONE : MISSING;
  const state = columns.fields.state[place];
  if (state === BROKEN) return GAP;
  if (state === NOTHING) return NONE;
  if (state === ABSENT) return MISSING;
  return columns.fields.marks[place]! & STALE ? SILENT : SEEN;
}

/** Counts what the columns of a bin show; used again for the next. */
export class Tally {
  private readonly counts = new Uint16Array(AHEAD);
  private all = 0;

  begin(): void {
    this.counts.fill(0);
    this.all = 0;
  }

  add(what: number): void {
    this.counts[what]!++;
    this.all++;
  }

  /** What most of them are, where half of them or more were not seen. */
  verdict(): number {
    const { counts, all } = this;
    if (all === 0) return AHEAD;
    const silent = counts[SILENT]!;
    if (2 * (counts[SEEN]! + silent) > all) return 2 * silent >= all ? SILENT : SEEN;
    let best = GAP;
    for (let k = NONE; k <= MISSING; k++) {
      if (counts[k]! > counts[best]!) best = k;
    }
    return best;
  }

  /** The worst, however short: for a ribbon, which must not lose a gap. */
  worst(): number {
    for (let k = MISSING; k >= SEEN; k--) {
      if (this.counts[k]! > 0) return k;
    }
    return AHEAD;
  }
}

const tally = new Tally();

/** Of a bin. */
export function verdict(columns: Columns, bin: number, per: number): number {
  const end = Math.min((bin + 1) * per - 1, columns.newest);
  tally.begin();
  for (let n = bin * per; n <= end; n++) tally.add(seenAt(columns, columns.place(n), n));
  return tally.verdict();
}

export const TILE = 8;

/** Which of a tile's TILE * TILE pixels have ink; tiles join without a seam. */
export function inked(hatch: Hatch, x: number, y: number): boolean {
  switch (hatch) {
    case SILENT: // sparse points
      return (x === 1 && y === 5) || (x === 5 && y === 1);
    case GAP: // close strokes, rising
      return (x + y) % 4 === 0;
    case NONE: // level dashes
      return (y === 2 && x < 5) || (y === 6 && (x + 4) % TILE < 5);
    case MISSING: // wide strokes, falling
      return (x - y + TILE) % TILE === 0;
  }
}

/** Pixels of a tile, `scale` device pixels for one. */
export function tile(hatch: Hatch, ink: string, scale: number): Uint32Array {
  const side = TILE * scale;
  const colour = pixel(channels(ink));
  return Uint32Array.from({ length: side * side }, (_, i) => {
    const x = Math.floor((i % side) / scale);
    const y = Math.floor(i / side / scale);
    return inked(hatch, x, y) ? colour : 0;
  });
}

export type Patterns = Readonly<Record<Hatch, CanvasPattern>>;

export function ink(palette: Palette, hatch: Hatch): string {
  return hatch === GAP ? palette.broken : hatch === SILENT ? palette.faint : palette.absent;
}

/** Patterns of the theme and the device pixel ratio that were asked for last. */
export class Hatching {
  private palette: Palette | undefined;
  private ratio = 0;
  private made!: Patterns;

  of(palette: Palette, ratio: number): Patterns {
    if (palette !== this.palette || ratio !== this.ratio) this.made = patterns(palette, ratio);
    this.palette = palette;
    this.ratio = ratio;
    return this.made;
  }
}

export function patterns(palette: Palette, ratio: number): Patterns {
  const scale = Math.max(Math.round(ratio), 1);
  const made = HATCHES.map((hatch) => {
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = TILE * scale;
    const context = canvas.getContext("2d") as CanvasRenderingContext2D;
    const pixels = tile(hatch, ink(palette, hatch), scale);
    const image = new ImageData(new Uint8ClampedArray(pixels.buffer as ArrayBuffer), TILE * scale);
    context.putImageData(image, 0, 0);
    return [hatch, context.createPattern(canvas, "repeat")];
  });
  return Object.fromEntries(made) as Patterns;
}
