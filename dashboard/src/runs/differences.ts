// Differences of two runs, in words and on one scale.

import { fixed } from "../numbers";
import { ofNs, stamp, zone } from "../time";
import { spelled, unit } from "./table";
import type { Beside, Difference, InTurn } from "./told";

/** In words and by a sign: which is better, or that nothing is shown. */
export function verdict(one: Difference): { shape: string; word: string; level: string } {
  if (one.better === "a") return { shape: "◀", word: "A better", level: "up" };
  if (one.better === "b") return { shape: "▶", word: "B better", level: "down" };
  if (!one.ci95) return { shape: "–", word: "too short", level: "level" };
  return { shape: "■", word: "no difference", level: "level" };
}

/** The farthest end of any interval of a unit: strips of one unit have one scale. */
export function limits(targets: readonly Beside[]): Map<string, number> {
  const found = new Map<string, number>();
  for (const one of targets.flatMap((target) => target.scores)) {
    const { name } = unit(one.score);
    const far = Math.max(0, ...(one.ci95 ?? []).map(Math.abs));
    found.set(name, Math.max(found.get(name) ?? 0, far));
  }
  return found;
}

export function looked(one: InTurn): string {
  const known = one.better
    ? `${one.better.toUpperCase()} since ${stamp(ofNs(one.at ?? Number.NaN))} ${zone()}`
    : `undecided after ${fixed(one.blocks)} blocks`;
  return `${spelled(one.score)}: ${known}`;
}
