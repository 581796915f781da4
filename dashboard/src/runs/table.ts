// The list of runs as numbers and words: what is shown of each, in which order, and which match.

import { DASH, fixed, known, percent, signed } from "../numbers";
import type { Finished, Score, Stands } from "./told";

/** Shape and word together: a colour alone says nothing. */
export const STANDS: Record<Stands, { shape: string; word: string; level: string; means: string }> =
  {
    above: {
      shape: "▲",
      word: "better",
      level: "up",
      means: "better than its best null: the interval leaves zero out",
    },
    level: {
      shape: "■",
      word: "no difference",
      level: "level",
      means: "not told apart from its best null",
    },
    below: {
      shape: "▼",
      word: "worse",
      level: "down",
      means: "worse than its best null: the interval leaves zero out",
    },
    unknown: { shape: DASH, word: "unknown", level: "level", means: "too little time to say" },
  };

/** Beside doing nothing a return that luck explains is still one. */
export function word(score: Score): string {
  const luck = score.score === "return" && score.stands === "level";
  return luck ? "may be luck" : STANDS[score.stands].word;
}

/** Of a backtest it is luck that is asked about. */
export function means(score: Score): string {
  if (score.score !== "return") return STANDS[score.stands].means;
  if (score.stands === "above") return "told apart from the luck of all trials";
  return score.stands === "level" ? "not told apart from luck" : "too few returns to say";
}

export const LOWER = ["log_loss", "mae", "rmse"]; // the less the better
const WORDS: Record<string, string> = {
  side_balanced: "side-balanced",
  log_loss: "log-loss",
  mae: "MAE",
  rmse: "RMSE",
  return: "net return",
};

/** `coverage@0.25` is `at 25 %`. */
export function spelled(score: string): string {
  const [name = "", share] = score.split("@");
  return share === undefined ? (WORDS[name] ?? name) : `at ${percent(Number(share))}`;
}

/** A score as a number; of shares of the capital in percent. */
export function value(score: string, x: number | null): string {
  return score === "return" ? percentSigned(x) : fixed(x, 3);
}

const percentSigned = (x: number | null) => (known(x) ? `${signed(100 * x, 3)} %` : DASH);

/** The unit that differences of a score are told in, how often it goes into 1, and its digits. */
export function unit(score: string): { name: string; times: number; digits: number } {
  if (score === "return") return { name: "%", times: 100, digits: 3 };
  if (score === "log_loss") return { name: "nats", times: 1, digits: 4 };
  if (LOWER.includes(score)) return { name: "ticks", times: 1, digits: 4 };
  return { name: "points", times: 100, digits: 1 };
}

export function difference(score: string, x: number | null): string {
  const { times, digits } = unit(score);
  return known(x) ? signed(times * x, digits) : DASH;
}

export function interval(score: string, span: readonly [number, number] | null): string {
  return span ? `${difference(score, span[0])} to ${difference(score, span[1])}` : DASH;
}

/** The folder of its own, and under it what it is and in which folder that lies. */
export function shortened(run: Finished): { name: string; about: string } {
  const parts = run.name.split("/");
  const name = parts.pop() ?? "";
  const what = run.kind === "run" ? run.model : run.kind;
  return { name, about: [parts.join("/"), what].filter(Boolean).join(" · ") };
}

export const gap = (one: Score) =>
  known(one.value) && known(one.beside) ? one.value - one.beside : null;

/** The score of a target, or the one that a run leads with. */
export function scoreOf(run: Finished, target: string): Score | undefined {
  return target ? run.scores.find((one) => one.target === target) : run.scores[0];
}

/** Of all runs, by how many have each. */
export function targets(runs: readonly Finished[]): string[] {
  const counts = new Map<string, number>();
  for (const run of runs)
    for (const { target } of run.scores) counts.set(target, (counts.get(target) ?? 0) + 1);
  return [...counts.keys()].sort((x, y) => counts.get(y)! - counts.get(x)!);
}

/** Whether every word occurs somewhere in what is told of a run. */
export function matches(run: Finished, text: string): boolean {
  const told = [run.name, run.kind, run.title, run.model, run.why, ...run.instruments];
  const all = [...told, ...run.scores.map((one) => one.target)].join(" ").toLowerCase();
  return text
    .toLowerCase()
    .split(/\s+/)
    .every((word) => all.includes(word));
}

export type By = "name" | "when" | "score" | "null" | "difference" | "stands";
export interface Order {
  readonly by: By;
  readonly down: boolean;
}

const RANKS: Record<Stands, number> = { above: 3, level: 2, below: 1, unknown: 0 };

/** How good a difference is: of errors the less the better. */
export function gain(one: Score): number | null {
  const x = gap(one);
  return x === null ? null : LOWER.includes(one.score) ? -x : x;
}

function keyOf(run: Finished, target: string, by: By): number | string | null {
  const one = scoreOf(run, target);
  if (by === "name") return run.name;
  if (by === "when") return run.when;
  if (!one) return null;
  if (by === "score") return one.value;
  if (by === "null") return one.beside;
  return by === "difference" ? gain(one) : RANKS[one.stands];
}

/** What is not known comes last, whichever way; equals by name. */
export function ordered(runs: readonly Finished[], target: string, order: Order): Finished[] {
  const sign = order.down ? -1 : 1;
  const keyed = runs.map((run) => [run, keyOf(run, target, order.by)] as const);
  return keyed
    .sort(([one, x], [other, y]) => {
      if (x === null || y === null) return Number(x === null) - Number(y === null);
      const found =
        typeof x === "string" ? x.localeCompare(String(y), "en", { numeric: true }) : x - Number(y);
      return sign * found || one.name.localeCompare(other.name, "en", { numeric: true });
    })
    .map(([run]) => run);
}

/** Names and numbers that are clicked first go this way. */
export const first = (by: By): boolean => by !== "name";

/** The first is A, the second B; the same again takes it away, a third takes the place of B. */
export function marked(now: readonly string[], name: string): string[] {
  if (now.includes(name)) return now.filter((one) => one !== name);
  return [...now.slice(0, 1), name];
}

/** `#a=btc&b=next` */
export function ofHash(hash: string): string[] {
  const asked = new URLSearchParams(hash.replace(/^#/, ""));
  const found = [asked.get("a"), asked.get("b")].filter((name): name is string => Boolean(name));
  return [...new Set(found)];
}

export function toHash(names: readonly string[]): string {
  const [a, b] = names;
  if (a === undefined) return "";
  return `#${new URLSearchParams(b === undefined ? { a } : { a, b })}`;
}

/** An interval of a - b, so that it lies at the left where A is better and at the right where B is. */
export function towards(score: string, [low, high]: readonly [number, number]): [number, number] {
  return LOWER.includes(score) ? [low, high] : [-high, -low];
}

/** Where an interval lies on a strip that shows -limit to limit, in percent of its width. */
export function strip(
  span: readonly [number, number],
  limit: number,
): { left: number; width: number } {
  const at = (x: number) => 50 + 50 * Math.max(-1, Math.min(1, limit > 0 ? x / limit : 0));
  return { left: at(span[0]), width: at(span[1]) - at(span[0]) };
}
