// What the server told last of each topic that it tells whole; columns come by themselves.

import { type Accessor, createSignal } from "solid-js";
import { createAccount } from "./account";
import type { Board, Equity } from "./board";
import type {
  AlarmsNow,
  BookNow,
  CalibrationNow,
  DriftNow,
  EquityNow,
  LatencyNow,
  StatusNow,
  Topic,
  VotesNow,
} from "./told";

type Told = "status" | "votes" | "book" | "calibration" | "equity" | "latency" | "drift" | "alarms";

export interface Latest extends Pick<Board, Told> {
  /** What the server last refused to do; undefined: nothing. */
  readonly refusal: Accessor<string | undefined>;
  dismiss(): void;
  take(said: Topic): void;
  /** Of another instrument: what was told of the one before is of no use. */
  forget(): void;
}

/** more: asks for the account's marks after a number. */
export function createLatest(more: (after: number) => void): Latest {
  const account = createAccount();
  const [status, setStatus] = createSignal<StatusNow>();
  const [votes, setVotes] = createSignal<VotesNow>();
  const [book, setBook] = createSignal<BookNow>();
  const [calibration, setCalibration] = createSignal<CalibrationNow>();
  const [equity, setEquity] = createSignal<Equity>();
  const [latency, setLatency] = createSignal<LatencyNow>();
  const [drift, setDrift] = createSignal<DriftNow>();
  const [alarms, setAlarms] = createSignal<AlarmsNow>();
  const [refusal, setRefusal] = createSignal<string>();

  function takeEquity(now: EquityNow): void {
    const { equity, after } = account.take(now);
    setEquity(equity);
    if (after !== undefined) more(after);
  }

  function take(said: Topic): void {
    if (said.topic === "status") setStatus(said);
    else if (said.topic === "votes") setVotes(said);
    else if (said.topic === "book") setBook(said);
    else if (said.topic === "equity") takeEquity(said);
    else if (said.topic === "calibration") setCalibration(said);
    else if (said.topic === "latency") setLatency(said);
    else if (said.topic === "drift") setDrift(said);
    else if (said.topic === "alarms") setAlarms(said);
    else if (said.topic === "refusal") setRefusal(said.message);
  }

  function forget(): void {
    setVotes();
    setBook();
  }

  return {
    ...{ status, votes, book, calibration, equity, latency, drift, alarms, refusal },
    ...{ take, forget },
    dismiss: () => setRefusal(),
  };
}
