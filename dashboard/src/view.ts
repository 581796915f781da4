// The stretch of time that is shown.

import { createSignal } from "solid-js";
import type { View } from "./board";

export const SPANS = [300, 600, 1_200, 3_000, 6_000] as const; // columns: half a minute .. ten

export function createView(size: number): View {
  const [span, setSpan] = createSignal<number>(SPANS[2]);
  const [end, freeze] = createSignal<number | null>(null);
  const [cursor, point] = createSignal<number | null>(null);
  return {
    span,
    end,
    cursor,
    setSpan: (columns) => setSpan(Math.min(Math.max(Math.round(columns), SPANS[0]), size)),
    freeze,
    point,
  };
}
