// Ribbons: which regime, what was said, whether a breaker was open, and when we were blind.

import type { Columns } from "../columns";
import type { Palette } from "../palette";
import { ACT, BREAKER, NO_REGIME, SAID, SWAPPED } from "../wire";
import type { TimeAxis } from "./axis";
import {
  AHEAD,
  GAP,
  MISSING,
  NONE,
  type Patterns,
  SEEN,
  SILENT,
  seenAt,
  Tally,
  WORDS,
} from "./hatch";
import { letters, type Surface } from "./surface";

/** No prediction was made: not even a neutral one. */
export const UNSAID = 127;

/** What each ribbon shows, by bin from the left. */
export class Spans {
  many = 0;
  /** Place among the regimes; NO_REGIME: none is known. */
  readonly regime: Uint8Array;
  /** Of 255: the mean of the columns with that regime. */
  readonly likely: Uint8Array;
  /** -1, 0, 1 of the surest prediction of the bin; UNSAID. */
  readonly direction: Int8Array;
  readonly confidence: Uint8Array;
  /** All that were set in any column. */
  readonly marks: Uint8Array;
  /** The worst that was seen. */
  readonly feed: Uint8Array;
  private readonly tally = new Tally();
  private readonly counts = new Uint16Array(256);
  private readonly sums = new Uint32Array(256);

  constructor(readonly size: number) {
    this.regime = new Uint8Array(size);
    this.likely = new Uint8Array(size);
    this.direction = new Int8Array(size);
    this.confidence = new Uint8Array(size);
    this.marks = new Uint8Array(size);
    this.feed = new Uint8Array(size);
  }

  fill(columns: Columns, axis: TimeAxis): void {
    this.many = Math.min(axis.last - axis.first + 1, this.size);
    for (let k = 0; k < this.many; k++) this.one(columns, k, axis.first + k, axis.per);
  }

  private one(columns: Columns, k: number, bin: number, per: number): void {
    const { known, direction, confidence, regime, likely, marks } = columns.fields;
    this.direction[k] = UNSAID;
    this.regime[k] = NO_REGIME;
    this.confidence[k] = this.likely[k] = 0;
    const end = Math.min((bin + 1) * per - 1, columns.newest);
    let all = 0;
    let most = 0;
    let act = false;
    this.tally.begin();
    for (let n = bin * per; n <= end; n++) {
      const place = columns.place(n);
      this.tally.add(seenAt(columns, place, n));
      if (place < 0) continue;
      const mark = marks[place]!;
      all |= mark;
      if ((known[place]! & SAID) === 0) continue;
      const acts = (mark & ACT) !== 0;
      const surer = confidence[place]! >= this.confidence[k]!;
      // One that is acted on is never hidden by one that is not.
      if (this.direction[k] === UNSAID || (acts && !act) || (acts === act && surer)) {
        this.direction[k] = direction[place]!;
        this.confidence[k] = confidence[place]!;
        act = acts;
      }
      const which = regime[place]!;
      if (which === NO_REGIME) continue;
      this.counts[which]!++;
      this.sums[which]! += likely[place]!;
      if (this.counts[which]! > most) {
        most = this.counts[which]!;
        this.regime[k] = which;
      }
    }
    this.marks[k] = all;
    this.feed[k] = this.tally.worst();
    if (most > 0) {
      this.likely[k] = Math.round(this.sums[this.regime[k]!]! / most);
      this.counts.fill(0);
      this.sums.fill(0);
    }
  }
}

/** A letter for each regime: the first of its name that none before it has. */
export function initials(names: readonly string[]): string[] {
  const taken = new Set<string>();
  return names.map((name, k) => {
    const free = [...name.toUpperCase()].find((c) => /\p{L}/u.test(c) && !taken.has(c));
    const found = free ?? String(k + 1);
    taken.add(found);
    return found;
  });
}

const LETTER = 14; // CSS pixels that a run must be long to be lettered

/** Colour and letter by regime, as opaque as it is likely. */
export function regimes(
  on: Surface,
  axis: TimeAxis,
  spans: Spans,
  names: readonly string[],
  top: number,
  height: number,
  patterns: Patterns,
): void {
  const { context, palette, ratio } = on;
  let from = 0;
  for (let k = 1; k <= spans.many; k++) {
    if (k < spans.many && spans.regime[k] === spans.regime[from]) continue;
    const which = spans.regime[from]!;
    const x0 = axis.edge(axis.first + from);
    const x1 = axis.edge(axis.first + k);
    if (which === NO_REGIME) {
      blank(on, axis, spans, from, k, top, height, patterns);
    } else {
      context.fillStyle = palette.regimes[which % palette.regimes.length]!;
      for (let j = from; j < k; j++) {
        context.globalAlpha = Math.max(spans.likely[j]! / 255, 0.12);
        const x = axis.edge(axis.first + j);
        context.fillRect(x, top, axis.edge(axis.first + j + 1) - x, height);
      }
      context.globalAlpha = 1;
      if (x1 - x0 >= LETTER * ratio) letter(on, names[which] ?? "", x0, top, height);
    }
    from = k;
  }
}

function letter(on: Surface, text: string, x: number, top: number, height: number): void {
  const { context, ratio, palette } = on;
  const side = 12 * ratio;
  context.fillStyle = palette.ground;
  context.fillRect(x + ratio, top + (height - side) / 2, side, side);
  letters(on, 11, "center", palette.ink);
  context.fillText(text, x + ratio + side / 2, top + height / 2 + 0.5 * ratio);
}

/** Where there is nothing to say: hatched as what was seen, or grey where it was seen. */
function blank(
  on: Surface,
  axis: TimeAxis,
  spans: Spans,
  from: number,
  to: number,
  top: number,
  height: number,
  patterns: Patterns,
): void {
  for (let k = from; k < to; k++) {
    const what = spans.feed[k]!;
    if (what === AHEAD) continue;
    on.context.fillStyle = what === MISSING ? patterns[MISSING] : patterns[NONE];
    const x = axis.edge(axis.first + k);
    on.context.fillRect(x, top, axis.edge(axis.first + k + 1) - x, height);
  }
}

/**
 * Up above the middle, down below it, as high as it is sure; filled where it is acted on, else an
 * outline; neutral is a stroke in the middle. A swapped model is a line from top to bottom.
 */
export function signals(
  on: Surface,
  axis: TimeAxis,
  spans: Spans,
  top: number,
  height: number,
  patterns: Patterns,
): void {
  const { context, palette, ratio } = on;
  const half = height / 2;
  const middle = Math.round(top + half);
  const stroke = Math.max(Math.round(ratio), 1);
  context.fillStyle = palette.rule;
  context.fillRect(0, middle, axis.width, stroke);
  for (let k = 0; k < spans.many; k++) {
    const way = spans.direction[k]!;
    if (way === UNSAID) {
      blank(on, axis, spans, k, k + 1, top, height, patterns);
      continue;
    }
    const x = axis.edge(axis.first + k);
    const wide = axis.edge(axis.first + k + 1) - x;
    context.fillStyle = way > 0 ? palette.up : way < 0 ? palette.down : palette.flat;
    if (way === 0) {
      context.fillRect(x, middle, wide, stroke);
      continue;
    }
    const tall = Math.max(Math.round((spans.confidence[k]! / 255) * half), 2 * stroke);
    const y = way > 0 ? middle - tall : middle;
    if (spans.marks[k]! & ACT) {
      context.fillRect(x, y, wide, tall);
      continue;
    }
    context.globalAlpha = 0.22;
    context.fillRect(x, y, wide, tall);
    context.globalAlpha = 1;
    context.fillRect(x, way > 0 ? y : y + tall - stroke, wide, stroke);
  }
  swaps(on, axis, spans, top, height);
}

function swaps(on: Surface, axis: TimeAxis, spans: Spans, top: number, height: number): void {
  const { context, palette, ratio } = on;
  context.fillStyle = palette.swap;
  for (let k = 0; k < spans.many; k++) {
    if ((spans.marks[k]! & SWAPPED) === 0) continue;
    const x = axis.edge(axis.first + k);
    context.fillRect(x, top, Math.max(Math.round(1.5 * ratio), 1), height);
  }
}

/** Filled while one was open; a line where it was seen that none was. */
export function breaker(
  on: Surface,
  axis: TimeAxis,
  spans: Spans,
  top: number,
  height: number,
  patterns: Patterns,
): void {
  const { context, palette, ratio } = on;
  const thin = Math.max(Math.round(ratio), 1);
  for (let k = 0; k < spans.many; k++) {
    const what = spans.feed[k]!;
    if (what === AHEAD) continue;
    const x = axis.edge(axis.first + k);
    const wide = axis.edge(axis.first + k + 1) - x;
    const open = (spans.marks[k]! & BREAKER) !== 0;
    context.fillStyle = what === MISSING ? patterns[MISSING] : open ? palette.alarm : palette.flat;
    if (open || what === MISSING) context.fillRect(x, top, wide, height);
    else context.fillRect(x, Math.round(top + height / 2), wide, thin);
  }
}

/** A full line while the feed was heard; points, hatches and gaps otherwise. */
export function feed(
  on: Surface,
  axis: TimeAxis,
  spans: Spans,
  top: number,
  height: number,
  patterns: Patterns,
): void {
  const { context, palette, ratio } = on;
  const thin = Math.max(Math.round(3 * ratio), 1);
  for (let k = 0; k < spans.many; k++) {
    const what = spans.feed[k]!;
    if (what === AHEAD) continue;
    const x = axis.edge(axis.first + k);
    const wide = axis.edge(axis.first + k + 1) - x;
    context.fillStyle = what === SEEN ? heard(palette) : patterns[what as 1 | 2 | 3 | 4];
    if (what === SEEN) context.fillRect(x, Math.round(top + (height - thin) / 2), wide, thin);
    else context.fillRect(x, top, wide, height);
  }
}

export const heard = (palette: Palette) => palette.regimes[0]!;

/** A feed's state in words. */
export const feedWords: Readonly<Record<number, string>> = {
  ...WORDS,
  [SEEN]: "live",
  [SILENT]: "silent",
  [GAP]: "book broken",
  [NONE]: "no book yet",
};
