// Times of day, UTC unless the reader chose their own zone.

import { createSignal } from "solid-js";

export type Zone = "UTC" | "local";
const KEPT = "flowsense.zone";

const [zone, setZone] = createSignal<Zone>(
  globalThis.localStorage?.getItem(KEPT) === "local" ? "local" : "UTC",
);

export { zone };

export function toggleZone(): void {
  const next = zone() === "UTC" ? "local" : "UTC";
  globalThis.localStorage?.setItem(KEPT, next);
  setZone(next);
}

const two = (n: number) => String(n).padStart(2, "0");

/** Milliseconds since 1970 as HH:MM:SS, with tenths where they are asked for. */
export function clock(ms: number, tenths = false, where: Zone = zone()): string {
  if (!Number.isFinite(ms)) return "–";
  const at = new Date(ms);
  const [h, m, s] =
    where === "UTC"
      ? [at.getUTCHours(), at.getUTCMinutes(), at.getUTCSeconds()]
      : [at.getHours(), at.getMinutes(), at.getSeconds()];
  const rest = tenths ? `.${Math.floor(at.getUTCMilliseconds() / 100)}` : "";
  return `${two(h)}:${two(m)}:${two(s)}${rest}`;
}

/** Day and time. */
export function stamp(ms: number, where: Zone = zone()): string {
  if (!Number.isFinite(ms)) return "–";
  const at = new Date(ms);
  const [y, m, d] =
    where === "UTC"
      ? [at.getUTCFullYear(), at.getUTCMonth(), at.getUTCDate()]
      : [at.getFullYear(), at.getMonth(), at.getDate()];
  return `${y}-${two(m + 1)}-${two(d)} ${clock(ms, false, where)}`;
}

/** ns UTC, as messages have it, in milliseconds. */
export const ofNs = (ns: number) => ns / 1e6;

/** Start of a column in milliseconds since 1970. */
export const ofColumn = (number: number, gridMs: number) => number * gridMs;
