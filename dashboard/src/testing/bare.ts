// A board that was told nothing: a test tells it what its pane has to show.

import { createSignal } from "solid-js";
import type { Board, Equity, Explanation, Link } from "../board";
import { createColumns } from "../columns";
import type { CalibrationNow, DriftNow, Hello, LatencyNow, StatusNow, VotesNow } from "../told";
import { createView } from "../view";

const OPEN: Link = { phase: "open", since: 0, why: "" };

export function createBare(explain: () => Promise<Explanation>) {
  const [hello, setHello] = createSignal<Hello>();
  const [status, setStatus] = createSignal<StatusNow>();
  const [votes, setVotes] = createSignal<VotesNow>();
  const [calibration, setCalibration] = createSignal<CalibrationNow>();
  const [equity, setEquity] = createSignal<Equity>();
  const [latency, setLatency] = createSignal<LatencyNow>();
  const [drift, setDrift] = createSignal<DriftNow>();
  const [stale, setStale] = createSignal(false);
  const nothing = () => undefined;
  const board: Board = {
    link: () => OPEN,
    watched: () => 0,
    watch: nothing,
    columns: createColumns(10),
    revision: () => 0,
    view: createView(10),
    ...{ hello, status, votes, calibration, equity, latency, drift, stale, explain },
    ...{ book: nothing, alarms: nothing, older: nothing, acknowledge: nothing },
    age: () => 0,
  };
  return {
    board,
    ...{ setHello, setStatus, setVotes, setCalibration, setEquity, setLatency, setDrift, setStale },
  };
}
