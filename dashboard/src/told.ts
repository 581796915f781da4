// What the server tells and may be asked, as `flowsense.serve.board.told` has it, field by field;
// a test of the server compares the two. What is not known is null.

export const PROTOCOL = 1;
export const GRID_MS = 100;
/** Columns of each instrument that the server keeps: ten minutes. */
export const KEPT = 6_000;

export interface Likelihood {
  readonly target: string;
  readonly p_down: number;
  readonly p_flat: number;
  readonly p_up: number;
  readonly value: number;
  readonly ready: boolean;
}

export interface Prediction {
  readonly sequence: number;
  readonly ts: number; // ns UTC: beyond 2^53, good to a microsecond
  readonly symbol: string;
  readonly venue: string;
  readonly target: string;
  readonly direction: number;
  readonly confidence: number;
  readonly position_size: number;
  readonly magnitude: number;
  readonly mid: number;
  readonly stop: number;
  readonly take_profit: number;
  readonly reward_risk: number;
  readonly vetoes: readonly string[];
  readonly forecasts: readonly Likelihood[];
  readonly stale: boolean;
  readonly model_version: string;
  readonly regime: Readonly<Record<string, number>>;
  readonly agreement: number | null;
  readonly abstained: readonly string[];
  readonly neutral: string;
  readonly latency_us: Readonly<Record<string, number>>;
}

export interface Watched {
  readonly venue: string;
  readonly symbol: string;
  readonly tick: number;
  readonly lot: number;
  readonly first: number | null;
}

export interface Hello {
  readonly topic: "hello";
  readonly protocol: number;
  readonly version: string;
  readonly mode: "SIMULATED" | "REPLAY" | "PAPER" | "LIVE";
  readonly now: number;
  readonly grid_ms: number;
  readonly kept: number;
  readonly cells: number;
  readonly instruments: readonly Watched[];
  readonly target: string;
  readonly targets: readonly string[];
  readonly regimes: readonly string[];
  readonly members: readonly string[];
  readonly admin: boolean;
}

export interface FeedNow {
  readonly venue: string;
  readonly state: string;
  readonly why: string;
  readonly age_ms: number | null;
  readonly messages_per_s: number;
  readonly gaps: number;
  readonly resyncs: number;
  readonly reconnects: number;
  readonly malformed: number;
  readonly barred_s: number;
  readonly skew_ms: number | null;
}

export interface StatusNow {
  readonly topic: "status";
  readonly now: number;
  readonly state: string;
  readonly ready: boolean;
  readonly reasons: readonly string[];
  readonly started: number;
  readonly feeds: readonly FeedNow[];
  readonly events_per_s: number;
  readonly predictions_per_s: number;
  readonly predictions: number;
  readonly dropped: number;
  readonly waiting: number;
  readonly lag_ms: number;
  readonly p50_ms: number | null;
  readonly p99_ms: number | null;
  readonly model: string;
  readonly model_version: string;
  readonly loaded: number;
  readonly breakers: readonly string[];
  readonly pages: number;
}

export interface Vote {
  readonly name: string;
  readonly state: "ok" | "warming up" | "left out";
  readonly why: string;
  readonly p_down: number | null;
  readonly p_flat: number | null;
  readonly p_up: number | null;
  readonly value: number | null;
  readonly weight: number | null;
  readonly age_ms: number | null;
}

export interface VotesNow {
  readonly topic: "votes";
  readonly venue: string;
  readonly symbol: string;
  readonly prediction: Prediction | null;
  readonly should_trade: boolean;
  readonly votes: readonly Vote[];
  readonly answered: number;
  readonly needed: number;
}

export interface BookNow {
  readonly topic: "book";
  readonly venue: string;
  readonly symbol: string;
  readonly number: number;
  readonly state: number;
  readonly bids: readonly (readonly [number, number])[];
  readonly asks: readonly (readonly [number, number])[];
}

export interface Tenth {
  readonly said: number;
  readonly came: number;
  readonly weight: number;
  readonly error: number;
}

export interface Reliability {
  readonly target: string;
  readonly outcomes: number;
  readonly weight: number;
  readonly hit_rate: number | null;
  readonly last_side: number | null;
  readonly majority: number | null;
  readonly brier: number | null;
  readonly brier_null: number | null;
  readonly ece: number | null;
  readonly ece_limit: number | null;
  readonly bins: readonly Tenth[];
}

export interface CalibrationNow {
  readonly topic: "calibration";
  readonly live: readonly Reliability[];
  readonly trained: readonly Reliability[];
}

export interface Mark {
  readonly number: number;
  readonly net: number;
  readonly gross: number;
  readonly hold: number;
  readonly drawdown: number;
}

export interface EquityNow {
  readonly topic: "equity";
  readonly why: string;
  readonly capital: number;
  readonly since: number;
  readonly marks: readonly Mark[];
  readonly worst: number;
  readonly trades: number;
  readonly turnover: number;
  readonly fees: number;
  readonly held: readonly (readonly [string, number])[];
}

export interface StageNow {
  readonly name: string;
  readonly counts: readonly number[];
  readonly p50_ms: number | null;
  readonly p99_ms: number | null;
  readonly max_ms: number | null;
}

export interface LatencyNow {
  readonly topic: "latency";
  readonly edges_ms: readonly number[];
  readonly stages: readonly StageNow[];
}

export interface SwapNow {
  readonly ts: number;
  readonly accepted: boolean;
  readonly version: string;
  readonly why: string;
}

export interface DriftNow {
  readonly topic: "drift";
  readonly psi: readonly (readonly [string, number])[];
  readonly limit: number;
  readonly reference: string;
  readonly drifts: readonly (readonly [string, number])[];
  readonly swaps: readonly SwapNow[];
}

export interface Alarm {
  readonly rule: string;
  readonly subject: string;
  readonly severity: "critical" | "warning";
  readonly says: string;
  readonly since: number;
  readonly action: string;
  readonly acknowledged: boolean;
}

export interface AlarmsNow {
  readonly topic: "alarms";
  readonly alarms: readonly Alarm[];
}

export interface Gone {
  readonly topic: "gone";
  readonly instrument: number;
  readonly first: number;
  readonly last: number;
}

export interface Refusal {
  readonly topic: "refusal";
  readonly message: string;
}

export type Topic =
  | Hello
  | StatusNow
  | VotesNow
  | BookNow
  | CalibrationNow
  | EquityNow
  | LatencyNow
  | DriftNow
  | AlarmsNow
  | Gone
  | Refusal;

export interface Watch {
  readonly instrument: number;
  readonly after?: number | null;
  readonly span?: number;
}

export interface Again {
  readonly instrument: number;
  readonly first: number;
  readonly last: number;
}

export interface Acknowledge {
  readonly rule: string;
  readonly subject: string;
}

export interface Ask {
  readonly watch?: Watch;
  readonly again?: Again;
  readonly acknowledge?: Acknowledge;
  readonly marks?: number | null;
}
