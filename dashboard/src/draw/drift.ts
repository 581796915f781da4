// How far columns have moved, as bars on one axis with the limit of the alarm.

import type { DriftNow } from "../told";

export interface Shift {
  readonly column: string;
  readonly psi: number;
  /** Of the axis, 0 to 1. */
  readonly length: number;
  readonly beyond: boolean;
}

/** Room is left behind the limit, so that it is seen while nothing is near it. */
export const ROOM = 1.25;

/** Where the axis ends. */
export function end(of: DriftNow): number {
  return of.psi.reduce((most, [, psi]) => Math.max(most, psi), of.limit * ROOM);
}

/** Greatest first. */
export function shifts(of: DriftNow): Shift[] {
  const to = end(of);
  return [...of.psi]
    .sort((a, b) => b[1] - a[1])
    .map(([column, psi]) => ({
      column,
      psi,
      length: to > 0 ? Math.max(0, psi / to) : 0,
      beyond: psi > of.limit,
    }));
}
