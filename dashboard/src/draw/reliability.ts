// The diagram of what was said against what came, as points; and each score beside what it is
// without skill. Murphy & Winkler 1977; error bars and limits come from the server.

import type { Reliability, Tenth } from "../told";

/** The square that P(up | it moves) spans, in pixels; y grows downwards. */
export interface Square {
  readonly left: number;
  readonly top: number;
  readonly size: number;
}

export interface Point {
  readonly x: number;
  readonly y: number;
  /** Ends of the 95 % interval, cut off where a share ends: at 0 and 1. */
  readonly high: number;
  readonly low: number;
  readonly bin: Tenth;
}

/** One for each bin that any outcome fell into. */
export function points(bins: readonly Tenth[], at: Square): Point[] {
  const up = (share: number) => at.top + at.size * (1 - Math.max(0, Math.min(1, share)));
  return bins
    .filter((bin) => bin.weight > 0)
    .map((bin) => ({
      x: at.left + at.size * bin.said,
      y: up(bin.came),
      high: up(bin.came + bin.error),
      low: up(bin.came - bin.error),
      bin,
    }));
}

export interface Count {
  readonly x: number;
  readonly width: number;
  /** Share of the fullest bin, 0 to 1. */
  readonly share: number;
  readonly weight: number;
  readonly tenth: number;
}

/** Bars of how much lies in each of ten bins, empty ones too: that they are empty is to be seen. */
export function counts(bins: readonly Tenth[], at: Square): Count[] {
  const weights = new Array<number>(10).fill(0);
  for (const bin of bins) {
    const tenth = Math.max(0, Math.min(9, Math.floor(bin.said * 10)));
    weights[tenth] = (weights[tenth] ?? 0) + bin.weight;
  }
  const fullest = Math.max(...weights);
  return weights.map((weight, tenth) => ({
    x: at.left + (at.size * tenth) / 10,
    width: at.size / 10,
    share: fullest > 0 ? weight / fullest : 0,
    weight,
    tenth,
  }));
}

export interface Score {
  readonly name: string;
  readonly title: string;
  readonly value: number | null;
  /** What the same score is without skill, or at most by luck. */
  readonly beside: readonly { readonly name: string; readonly value: number | null }[];
  /** Null: not known. */
  readonly passes: boolean | null;
  /** How `passes` reads. */
  readonly verdict: string;
}

/** Half the 95 % interval of a share of the moves, of which those that overlap count together. */
function byLuck(share: number, bins: readonly Tenth[]): number {
  const moves = bins.reduce((sum, bin) => sum + bin.weight, 0);
  return 1.96 * Math.sqrt((share * (1 - share)) / Math.max(moves, 1));
}

/** Each beside its null. */
export function scores(of: Reliability): Score[] {
  const baseline = of.majority === null ? of.last_side : Math.max(of.majority, of.last_side ?? 0);
  const ahead = of.hit_rate === null || baseline === null ? null : of.hit_rate - baseline;
  const luck = of.hit_rate === null ? 0 : byLuck(of.hit_rate, of.bins);
  const better = ahead === null || (ahead > 0 && ahead <= luck) ? null : ahead > 0;
  const sharp = of.brier === null || of.brier_null === null ? null : of.brier < of.brier_null;
  const calibrated = of.ece === null || of.ece_limit === null ? null : of.ece <= of.ece_limit;
  return [
    {
      name: "ECE",
      title: "expected calibration error: how far forecasts lie off what came, on average",
      value: of.ece,
      beside: [{ name: "by luck up to", value: of.ece_limit }],
      passes: calibrated,
      verdict: word(calibrated, "within luck", "beyond luck"),
    },
    {
      name: "Brier",
      title:
        "squared error, summed over down, flat and up, less is better; usual shares: of who always says how often each of them came",
      value: of.brier,
      beside: [{ name: "usual shares", value: of.brier_null }],
      passes: sharp,
      verdict: word(sharp, "better", "no better"),
    },
    {
      name: "Hit rate",
      title:
        "share of moves whose side was named; no side named is half a hit; above both: by more than its 95 % interval",
      value: of.hit_rate,
      beside: [
        { name: "majority", value: of.majority },
        { name: "last side", value: of.last_side },
      ],
      passes: better,
      verdict: ahead === null ? "" : word(better, "above both", "not above both") || "may be luck",
    },
  ];
}

function word(passes: boolean | null, yes: string, no: string): string {
  return passes === null ? "" : passes ? yes : no;
}

/** The one to show: that which was picked, else the first. */
export function picked(all: readonly Reliability[], target: string): Reliability | undefined {
  return all.find((one) => one.target === target) ?? all[0];
}
