// What every pane reads. `state.ts` makes one of these of the server's messages; tests make their own.

import type { Accessor } from "solid-js";
import type { Columns } from "./columns";
import type {
  AlarmsNow,
  BookNow,
  CalibrationNow,
  DriftNow,
  EquityNow,
  Hello,
  LatencyNow,
  Likelihood,
  Mark,
  Prediction,
  StatusNow,
  VotesNow,
} from "./told";

/** Whether the server is heard. */
export interface Link {
  readonly phase: "connecting" | "open" | "lost" | "refused";
  /** Milliseconds since 1970, by this machine's clock: since when it is so. */
  readonly since: number;
  /** Why it was lost or refused, in a sentence. */
  readonly why: string;
}

/** The stretch of time that the panes A to C share, in columns of the grid. */
export interface View {
  /** Columns shown from the left edge to the right. */
  readonly span: Accessor<number>;
  /** Number of the column at the right edge; null: the newest, and it follows. */
  readonly end: Accessor<number | null>;
  /** Number of the column under the pointer, in whichever pane it is; null: nowhere. */
  readonly cursor: Accessor<number | null>;
  setSpan(columns: number): void;
  freeze(end: number | null): void;
  point(number: number | null): void;
}

/** The paper account, put together from its messages. */
export interface Equity {
  readonly now: EquityNow;
  /** Every mark that was told, by rising number; a second that is missing was never told. */
  readonly marks: readonly Mark[];
}

export interface Board {
  readonly link: Accessor<Link>;
  readonly hello: Accessor<Hello | undefined>;
  /** Place of the watched instrument in `hello().instruments`. */
  readonly watched: Accessor<number>;
  watch(instrument: number): void;
  /** Of the watched instrument; `revision` rises whenever it has changed. */
  readonly columns: Columns;
  readonly revision: Accessor<number>;
  readonly view: View;
  readonly status: Accessor<StatusNow | undefined>;
  readonly votes: Accessor<VotesNow | undefined>;
  readonly book: Accessor<BookNow | undefined>;
  readonly calibration: Accessor<CalibrationNow | undefined>;
  readonly equity: Accessor<Equity | undefined>;
  readonly latency: Accessor<LatencyNow | undefined>;
  readonly drift: Accessor<DriftNow | undefined>;
  readonly alarms: Accessor<AlarmsNow | undefined>;
  /** The server has not been heard for longer than it may be silent: every number is shown grey, with its age. */
  readonly stale: Accessor<boolean>;
  /** Milliseconds since anything was heard; ticks while stale. */
  readonly age: Accessor<number>;
  /** Older columns than are held, to scroll back to; asked for once. */
  older(first: number): void;
  acknowledge(rule: string, subject: string): void;
  /** The newest prediction's explanation, over HTTP. */
  explain(): Promise<Explanation>;
}

/** Of `POST /api/v1/predict?explain=1`. */
export interface Explanation {
  readonly prediction: Prediction;
  /** What each member of an ensemble said of every target. */
  readonly members: Readonly<Record<string, readonly Likelihood[]>>;
  readonly weights: Readonly<Record<string, number>>;
  readonly columns: Readonly<Record<string, number>>;
  readonly contributions: Readonly<Record<string, number>>;
  readonly costs: Readonly<Record<string, number>>;
}
