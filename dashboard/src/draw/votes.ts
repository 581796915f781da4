// What a decision and its votes amount to: sides, leans, reasons. No drawing, no words of units.

import type { Likelihood, Prediction, Vote, VotesNow } from "../told";
import { VETOES } from "../vetoes";

/** A side says itself three times: in a word, a sign and a shape, whatever its colour. */
export interface Side {
  readonly name: "up" | "down" | "none";
  readonly word: string;
  readonly sign: string;
  readonly shape: string;
}

const UP: Side = { name: "up", word: "up", sign: "+", shape: "▲" };
const DOWN: Side = { name: "down", word: "down", sign: "−", shape: "▼" };
const NONE: Side = { name: "none", word: "no side", sign: "", shape: "■" };

/** Of a number above, below or at 0. */
export function side(of: number): Side {
  return of > 0 ? UP : of < 0 ? DOWN : NONE;
}

/** What the model says of the target that is acted on; null: nothing, for it warms up. */
export function likelihood(of: Prediction): Likelihood | null {
  const found = of.forecasts.find((one) => one.target === of.target);
  return found?.ready ? found : null;
}

/** P(up) - P(down) of a member that was heard, -1 to 1; null: it was not. */
export function lean(of: Vote): number | null {
  if (of.state !== "ok" || of.p_up === null || of.p_down === null) return null;
  return of.p_up - of.p_down;
}

/** Left edge and width, in percent, of a bar from 0 to `value` on an axis from -1 to 1. */
export function bar(value: number): { left: number; width: number } {
  const to = Math.max(-1, Math.min(1, value));
  return { left: to < 0 ? 50 + 50 * to : 50, width: 50 * Math.abs(to) };
}

/** How far the leans of those heard lie apart, 0 to 2; null: of fewer than two it is nothing. */
export function spread(votes: readonly Vote[]): number | null {
  let least = Number.POSITIVE_INFINITY;
  let most = Number.NEGATIVE_INFINITY;
  let heard = 0;
  for (const vote of votes) {
    const at = lean(vote);
    if (at === null) continue;
    least = Math.min(least, at);
    most = Math.max(most, at);
    heard += 1;
  }
  return heard < 2 ? null : most - least;
}

/** How many of those heard name each side. */
export function named(votes: readonly Vote[]): { up: number; down: number; none: number } {
  const found = { up: 0, down: 0, none: 0 };
  for (const vote of votes) {
    const at = lean(vote);
    if (at !== null) found[side(at).name] += 1;
  }
  return found;
}

export interface Reason {
  /** As the API names it; "" where it is no veto. */
  readonly name: string;
  readonly says: string;
}

/** All that is against acting on it, what the server vetoed first. Empty: nothing is. */
export function reasons(of: VotesNow): readonly Reason[] {
  const said = of.prediction;
  if (said === null) return [{ name: "", says: "nothing was said of this instrument yet" }];
  const found: Reason[] = said.vetoes.map((name) => ({ name, says: VETOES[name] ?? name }));
  if (said.neutral !== "" && !said.vetoes.includes("too_few"))
    found.push({ name: "", says: said.neutral });
  if (said.stale)
    found.push({
      name: "stale",
      says: "its venue is silent for longer than it is used to, or not heard",
    });
  if (found.length > 0 || of.should_trade) return found;
  if (said.direction === 0) return [{ name: "", says: "there is no side" }];
  return [{ name: "", says: "the size is 0" }];
}
