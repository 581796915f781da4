// Marks of time: the same in every pane, so that one sees across them.

import { clock } from "../time";
import { between, type TimeAxis } from "./axis";
import { letters, type Surface } from "./surface";

const APART = 84; // CSS pixels

/** Thin lines over `height`; `step` milliseconds are those of `spacing`. */
export function lines(
  on: Surface,
  axis: TimeAxis,
  gridMs: number,
  top: number,
  height: number,
): void {
  const { context, ratio, palette } = on;
  const step = spacing(on, axis, gridMs) / gridMs;
  context.fillStyle = palette.rule;
  for (let n = Math.ceil(axis.left / step) * step; n <= axis.end; n += step) {
    context.fillRect(Math.round(axis.x(n)), top, Math.max(Math.round(ratio), 1), height);
  }
}

/** Times of day, centred on their lines, in a strip of `height` from `top`. */
export function times(
  on: Surface,
  axis: TimeAxis,
  gridMs: number,
  top: number,
  height: number,
): void {
  const { context, ratio, palette } = on;
  const step = spacing(on, axis, gridMs) / gridMs;
  letters(on, 11, "center", palette.faint);
  for (let n = Math.ceil(axis.left / step) * step; n <= axis.end; n += step) {
    const x = axis.x(n);
    context.fillRect(Math.round(x), top, Math.max(Math.round(ratio), 1), 3 * ratio);
    if (x < 28 * ratio || x > axis.width - 28 * ratio) continue;
    context.fillText(clock(n * gridMs, step * gridMs < 1000), x, top + height / 2 + ratio);
  }
}

function spacing(on: Surface, axis: TimeAxis, gridMs: number): number {
  return Math.max(between(axis.span * gridMs, axis.width, APART * on.ratio), gridMs);
}
