// The book as it is now, beside the picture and on its price axis: bars of exact sizes.

import type { BookNow } from "../told";
import { ONE_SIDED } from "../wire";
import { digits, type PriceAxis, quantity, round125 } from "./axis";
import { GAP, NONE, type Patterns } from "./hatch";
import { letters, type Surface } from "./surface";

type Level = readonly [number, number];

const LABEL = 54; // CSS pixels of the prices
const LINE = 11; // of a line of text

/** Where the best prices are written, device pixels; not a number where there is no book. */
function middle(book: BookNow | undefined, axis: PriceAxis, tick: number): number {
  const bid = book?.bids[0];
  const ask = book?.asks[0];
  if (!bid || !ask) return Number.NaN;
  return axis.y((bid[0] + ask[0]) / 2 / tick);
}

/**
 * Prices at round steps, with a stroke each; `left` is where the gutter begins. None is written where
 * the best prices are.
 */
export function prices(
  on: Surface,
  book: BookNow | undefined,
  axis: PriceAxis,
  tick: number,
  left: number,
): void {
  const { context, ratio, palette } = on;
  const step = round125((axis.ticks * 2.2 * LINE * ratio) / axis.height);
  const places = digits(Math.max(step, 1) * tick);
  letters(on, 11, "right", palette.faint);
  const end = left + LABEL * ratio;
  const best = middle(book, axis, tick);
  const first = Math.ceil((axis.centre - axis.ticks / 2) / step) * step;
  for (let at = first; at <= axis.centre + axis.ticks / 2; at += step) {
    const y = axis.y(at);
    context.fillRect(left, Math.round(y), 3 * ratio, Math.max(1, Math.round(ratio)));
    if (y < 6 * ratio || y > axis.height - 6 * ratio) continue;
    if (Math.abs(y - best) < 1.7 * LINE * ratio) continue;
    context.fillText((at * tick).toFixed(places), end, y);
  }
}

/** The greatest size among the levels in sight. */
export function largest(book: BookNow, axis: PriceAxis, tick: number): number {
  let most = 0;
  for (const side of [book.bids, book.asks]) {
    for (const [price, size] of side) {
      if (Math.abs(price / tick - axis.centre) <= axis.ticks / 2 && size > most) most = size;
    }
  }
  return most;
}

/** Bars and sizes; hatched where there is no book. */
export function ladder(
  on: Surface,
  book: BookNow,
  axis: PriceAxis,
  tick: number,
  gutter: number, // where it begins
  patterns: Patterns,
): void {
  const { context, ratio, palette } = on;
  const left = gutter + (LABEL + 6) * ratio;
  const width = on.width - left;
  if (book.state < ONE_SIDED) {
    context.fillStyle = patterns[book.state === 0 ? NONE : GAP];
    context.fillRect(left, 0, width, axis.height);
    return;
  }
  const most = largest(book, axis, tick);
  if (most > 0) {
    bars(on, book.bids, axis, tick, left, width / most, palette.up);
    bars(on, book.asks, axis, tick, left, width / most, palette.down);
  }
  const bid = book.bids[0];
  const ask = book.asks[0];
  const near = bid && ask ? axis.y(bid[0] / tick) - axis.y(ask[0] / tick) < LINE * ratio : false;
  const apart = near ? (LINE * ratio) / 2 : 0;
  const centre = middle(book, axis, tick);
  if (bid) best(on, bid, near ? centre + apart : axis.y(bid[0] / tick), tick, gutter, palette.up);
  if (ask) best(on, ask, near ? centre - apart : axis.y(ask[0] / tick), tick, gutter, palette.down);
}

function bars(
  on: Surface,
  side: readonly Level[],
  axis: PriceAxis,
  tick: number,
  left: number,
  scale: number, // pixels for one of size
  colour: string,
): void {
  const { context, ratio } = on;
  const tall = axis.height / axis.ticks;
  // Whole pixels, and a gap between levels where there is room for one.
  const thick = Math.max(Math.round(Math.min(tall < 3 ? tall : tall - 1, 14 * ratio)), 1);
  const room = tall >= LINE * ratio;
  context.fillStyle = colour;
  context.globalAlpha = room ? 0.45 : 0.8;
  for (const [price, size] of side) {
    const y = axis.y(price / tick);
    if (y < 0 || y > axis.height) continue;
    context.fillRect(left, Math.round(y - thick / 2), Math.max(size * scale, 1), thick);
  }
  context.globalAlpha = 1;
  if (!room) return;
  letters(on, 11, "left", on.palette.ink);
  for (const [price, size] of side.slice(1)) {
    context.fillText(quantity(size), left + 4 * ratio, axis.y(price / tick));
  }
}

/** Price and size of a best level, on the ground colour so that they can be read. */
function best(
  on: Surface,
  level: Level,
  y: number,
  tick: number,
  gutter: number,
  colour: string,
): void {
  const { context, ratio, palette } = on;
  if (y < 0 || y > on.height) return;
  const line = LINE * ratio;
  context.fillStyle = palette.ground;
  context.fillRect(gutter + 3 * ratio, y - line / 2, (LABEL - 1) * ratio, line);
  letters(on, 11, "right", colour);
  context.fillText(level[0].toFixed(digits(tick)), gutter + LABEL * ratio, y);
  letters(on, 11, "right", palette.ink);
  const text = quantity(level[1]);
  const wide = context.measureText(text).width;
  context.fillStyle = palette.ground;
  context.globalAlpha = 0.75;
  context.fillRect(on.width - wide - 4 * ratio, y - line / 2, wide + 4 * ratio, line);
  context.globalAlpha = 1;
  context.fillStyle = palette.ink;
  context.fillText(text, on.width - 2 * ratio, y);
}
