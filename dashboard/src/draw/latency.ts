// Where time is lost: per stage a strip of a histogram over a logarithmic axis of milliseconds.

import type { LatencyNow, StageNow } from "../told";

/** What may be taken from the socket to the prediction; beyond the second it comes too late. */
export const BUDGETS_MS = [10, 50] as const;

/** Pixels of the strips; stages lie below each other, each `row` high, the axis below them. */
export interface Box {
  readonly width: number;
  readonly row: number;
}

export interface Ink {
  readonly bar: string;
  readonly total: string;
  readonly line: string;
  readonly text: string;
  readonly p50: string;
  readonly budget: string;
  readonly font: string;
}

/** A logarithmic axis: a bit below the first edge to a bit above the last, for what lies outside. */
export class Axis {
  /** Powers of ten that get a number. */
  readonly decades: readonly number[];
  readonly #low: number;
  readonly #per: number;

  constructor(
    readonly edges: readonly number[],
    readonly width: number,
  ) {
    const first = edges[0] ?? 0.1;
    const last = edges[edges.length - 1] ?? 1000;
    this.#low = Math.log10(first) - MARGIN;
    this.#per = width / (Math.log10(last) + MARGIN - this.#low);
    this.decades = decades(edges);
  }

  /** Pixels from the left, kept within the axis. */
  at(ms: number): number {
    if (!(ms > 0)) return 0;
    return Math.max(0, Math.min(this.width, (Math.log10(ms) - this.#low) * this.#per));
  }

  /** Left edge of bin k: bin 0 lies below the first edge, the last above all. */
  left(k: number): number {
    const edge = this.edges[k - 1];
    return k <= 0 ? 0 : edge === undefined ? this.width : this.at(edge);
  }
}

const MARGIN = 0.5; // decades: about as wide as other bins

/** Powers of ten within the axis. */
export function decades(edges: readonly number[]): number[] {
  const first = edges[0];
  const last = edges[edges.length - 1];
  if (first === undefined || last === undefined) return [];
  const found = [];
  for (let e = Math.ceil(Math.log10(first) - 1e-9); e <= Math.log10(last) + 1e-9; e++)
    found.push(10 ** e);
  return found;
}

/** How many predictions the minute had. */
export function count(of: StageNow): number {
  return of.counts.reduce((sum, n) => sum + n, 0);
}

/** Why there is nothing to show; "": there is. */
export function empty(of: LatencyNow | undefined): string {
  if (of === undefined) return "the server has not told its latencies yet";
  if (of.stages.every((stage) => count(stage) === 0))
    return "no prediction in the last minute, or none of a live feed: nothing was timed";
  return "";
}

type Pen = Pick<
  CanvasRenderingContext2D,
  "clearRect" | "fillRect" | "fillText" | "fillStyle" | "font" | "textAlign" | "textBaseline"
>;

/** Strips, budget lines and axis; the pen is in CSS pixels. */
export function draw(pen: Pen, of: LatencyNow, axis: Axis, box: Box, ink: Ink): void {
  const foot = of.stages.length * box.row;
  pen.clearRect(0, 0, box.width, foot + AXIS);
  for (let s = 0; s < of.stages.length; s++) {
    const stage = of.stages[s];
    if (stage !== undefined)
      strip(pen, stage, axis, s * box.row, box, ink, s === of.stages.length - 1);
  }
  pen.fillStyle = ink.budget;
  for (const budget of BUDGETS_MS) pen.fillRect(Math.round(axis.at(budget)), 0, 1, foot);
  scale(pen, axis, foot, box, ink);
}

export const AXIS = 14; // pixels below the strips

function strip(
  pen: Pen,
  of: StageNow,
  axis: Axis,
  top: number,
  box: Box,
  ink: Ink,
  total: boolean,
): void {
  const foot = top + box.row - 1;
  pen.fillStyle = ink.line;
  pen.fillRect(0, foot, box.width, 1);
  let densest = 0;
  for (let k = 0; k < of.counts.length; k++) densest = Math.max(densest, density(of, axis, k));
  if (densest === 0) return;
  pen.fillStyle = total ? ink.total : ink.bar;
  for (let k = 0; k < of.counts.length; k++) {
    const dense = density(of, axis, k);
    if (dense === 0) continue;
    const left = axis.left(k);
    const high = Math.max(1, (dense / densest) * (box.row - 3));
    pen.fillRect(left, foot - high, Math.max(1, axis.left(k + 1) - left - 1), high);
  }
  pen.fillStyle = ink.p50;
  if (of.p50_ms !== null) pen.fillRect(Math.round(axis.at(of.p50_ms)) - 1, top + 1, 2, box.row - 2);
  if (of.p99_ms !== null) dashes(pen, Math.round(axis.at(of.p99_ms)) - 1, top + 1, foot);
}

/** Of bin k, each pixel: bins differ in width, and what is seen is the area. */
function density(of: StageNow, axis: Axis, k: number): number {
  return (of.counts[k] ?? 0) / Math.max(1, axis.left(k + 1) - axis.left(k));
}

/** Told from the unbroken line of the median by its shape. */
function dashes(pen: Pen, x: number, top: number, foot: number): void {
  for (let y = top; y < foot; y += 4) pen.fillRect(x, y, 2, Math.min(2, foot - y));
}

function scale(pen: Pen, axis: Axis, top: number, box: Box, ink: Ink): void {
  pen.fillStyle = ink.text;
  pen.font = ink.font;
  pen.textBaseline = "top";
  pen.textAlign = "center";
  for (const ms of axis.decades) {
    const x = axis.at(ms);
    pen.fillRect(Math.round(x), top, 1, 2);
    if (x > 8 && x < box.width - 8) pen.fillText(String(ms), x, top + 3);
  }
}
