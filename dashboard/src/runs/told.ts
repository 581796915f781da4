// What the server tells of finished runs, as `flowsense.serve.finished` has it, field by field;
// a test of the server compares the two. What is not known is null.

export type Stands = "above" | "level" | "below" | "unknown";
export type Interval = readonly [number, number];

export interface Score {
  readonly target: string;
  readonly score: string;
  readonly value: number | null;
  readonly null: string;
  readonly beside: number | null;
  readonly ci95: Interval | null;
  readonly stands: Stands;
  readonly rows: number;
}

export interface Page {
  readonly title: string;
  readonly path: string;
}

export interface Finished {
  readonly name: string;
  readonly kind: "run" | "backtest" | "paper";
  readonly when: number; // ns UTC
  readonly title: string;
  readonly model: string;
  readonly instruments: readonly string[];
  readonly scores: readonly Score[];
  readonly pages: readonly Page[];
  readonly why: string;
}

export interface Runs {
  readonly folder: string;
  readonly runs: readonly Finished[];
  readonly left_out: number;
}

export interface Difference {
  readonly score: string;
  readonly a: number | null;
  readonly b: number | null;
  readonly difference: number | null;
  readonly ci95: Interval | null;
  readonly p: number | null;
  readonly better: "a" | "b" | null;
}

export interface InTurn {
  readonly score: string;
  readonly better: "a" | "b" | null;
  readonly at: number | null; // ns UTC
  readonly blocks: number;
}

export interface Beside {
  readonly target: string;
  readonly n: number;
  readonly rows: number;
  readonly verdict: string;
  readonly scores: readonly Difference[];
  readonly in_turn: readonly InTurn[];
}

export interface Spoken {
  readonly name: string;
  readonly model: string;
  readonly rows: number;
}

export interface Comparison {
  readonly a: Spoken;
  readonly b: Spoken;
  readonly common: number;
  readonly targets: readonly Beside[];
  readonly luck: string;
  readonly notes: readonly string[];
}

/** What every refusal says. */
export interface Problem {
  readonly code: string;
  readonly message: string;
  readonly field: string;
  readonly hint: string;
}
