// Which columns moved a forecast, and how far: those that did most, and the rest together.

export const BASE = "base"; // what is said where no column is known

export interface Contribution {
  readonly column: string;
  /** To the log-odds of up, if it moves. */
  readonly adds: number;
  /** Of the row; null: missing in it. */
  readonly value: number | null;
}

export interface Added {
  readonly top: readonly Contribution[];
  /** How many columns are not among the top, and what they add together. */
  readonly others: number;
  readonly rest: number;
  readonly base: number;
  /** Of all, base and rest too: logit P(up | it moves). */
  readonly sum: number;
  /** The greatest, by size: the length of the longest bar. */
  readonly longest: number;
}

/** Null: of this model no exact ones are known. */
export function added(
  contributions: Readonly<Record<string, number>>,
  columns: Readonly<Record<string, number>>,
  most: number,
): Added | null {
  const each = Object.entries(contributions).filter(([name]) => name !== BASE);
  const base = contributions[BASE];
  if (each.length === 0 && base === undefined) return null;
  each.sort((a, b) => Math.abs(b[1]) - Math.abs(a[1]) || (a[0] < b[0] ? -1 : 1));
  const top = each
    .slice(0, most)
    .map(([column, adds]) => ({ column, adds, value: columns[column] ?? null }));
  const behind = each.slice(most);
  const rest = behind.reduce((sum, [, adds]) => sum + adds, 0);
  const known = base ?? 0;
  return {
    top,
    others: behind.length,
    rest,
    base: known,
    sum: top.reduce((sum, one) => sum + one.adds, rest + known),
    longest: top.reduce((most, one) => Math.max(most, Math.abs(one.adds)), 0),
  };
}

/** P(up | it moves) of log-odds. */
export function chance(logOdds: number): number {
  return 1 / (1 + Math.exp(-logOdds));
}
