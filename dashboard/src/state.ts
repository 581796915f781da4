// The board: what the server tells, kept as the panes read it.

import { type Accessor, createEffect, createSignal, on, onCleanup } from "solid-js";
import { createAccount } from "./account";
import type { Board, Equity, Explanation } from "./board";
import { createColumns } from "./columns";
import { createHoles } from "./holes";
import { createLink, type Denial, probe, type Socket } from "./link";
import {
  type AlarmsNow,
  type BookNow,
  type CalibrationNow,
  type DriftNow,
  type EquityNow,
  type Hello,
  KEPT,
  type LatencyNow,
  PROTOCOL,
  type StatusNow,
  type Topic,
  type VotesNow,
} from "./told";
import { createView } from "./view";
import { decode } from "./wire";

export interface Options {
  open?: (protocols: string[]) => Socket;
  probe?: (key: string) => Promise<Denial | undefined>;
  storage?: Pick<Storage, "getItem" | "setItem" | "removeItem">;
  /** Columns that are held. */
  size?: number;
}

/** The board, and what only the page around the panes does with it. */
export interface LiveBoard extends Board {
  /** What the server last refused to do; undefined: nothing. */
  readonly refusal: Accessor<string | undefined>;
  dismiss(): void;
  unlock(key: string): void;
}

function openHere(protocols: string[]): Socket {
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  return new WebSocket(`${scheme}://${location.host}/api/v1/board`, protocols);
}

/** Must be called under a root of Solid's, which closes the connection when it is disposed. */
export function createBoard(options: Options = {}): LiveBoard {
  const columns = createColumns(options.size ?? KEPT);
  const view = createView(columns.size);
  const account = createAccount();
  const [hello, setHello] = createSignal<Hello>();
  const [watched, setWatched] = createSignal(0);
  const [revision, setRevision] = createSignal(0);
  const [status, setStatus] = createSignal<StatusNow>();
  const [votes, setVotes] = createSignal<VotesNow>();
  const [book, setBook] = createSignal<BookNow>();
  const [calibration, setCalibration] = createSignal<CalibrationNow>();
  const [equity, setEquity] = createSignal<Equity>();
  const [latency, setLatency] = createSignal<LatencyNow>();
  const [drift, setDrift] = createSignal<DriftNow>();
  const [alarms, setAlarms] = createSignal<AlarmsNow>();
  const [refusal, setRefusal] = createSignal<string>();
  const connection = createLink({
    open: options.open ?? openHere,
    probe: options.probe ?? probe,
    storage: options.storage ?? sessionStorage,
    heard: (data) => (typeof data === "string" ? tell(JSON.parse(data)) : show(data)),
  });
  const holes = createHoles(columns, (first, last) =>
    connection.send({ again: { instrument: watched(), first, last } }),
  );
  let greeted = -1; // since when the connection is open on which a watch was begun

  const changed = () => setRevision((n) => n + 1);

  function forget(): void {
    columns.clear(columns.cells);
    holes.clear();
    setVotes();
    setBook();
    view.freeze(null);
    view.point(null);
    changed();
  }

  function ask(): void {
    const after = columns.newest < 0 ? null : columns.newest;
    connection.send({ watch: { instrument: watched(), after, span: view.span() } });
  }

  function watch(instrument: number): void {
    if (instrument === watched() || !hello()?.instruments[instrument]) return;
    setWatched(instrument);
    forget();
    columns.begun = hello()?.instruments[instrument]?.first ?? 0;
    ask();
  }

  function greet(now: Hello): void {
    if (now.protocol !== PROTOCOL) {
      connection.refuse(`The server speaks protocol ${now.protocol}: load this page again.`);
      return;
    }
    const old = hello()?.instruments[watched()];
    const found = now.instruments.findIndex(
      (one) => one.venue === old?.venue && one.symbol === old.symbol,
    );
    const other = old !== undefined && found < 0;
    const moved = other || (found >= 0 && found !== watched());
    setHello(now);
    if (moved) setWatched(Math.max(found, 0));
    if (other) forget();
    columns.begun = now.instruments[watched()]?.first ?? 0;
    connection.welcome();
    const fresh = greeted !== connection.link().since;
    if (!(fresh || moved) || !now.instruments[watched()]) return; // none is heard yet
    greeted = connection.link().since;
    ask();
    if (fresh) holes.again();
  }

  /** Another pipeline; where it plays what was recorded, its time begins anew too. */
  function takeStatus(now: StatusNow): void {
    const before = status()?.started;
    setStatus(now);
    const mode = hello()?.mode;
    const replayed = mode === "REPLAY" || mode === "SIMULATED";
    if (replayed && before !== undefined && before !== now.started) {
      forget();
      ask();
    }
  }

  const isWatched = (said: { venue: string; symbol: string }) => {
    const one = hello()?.instruments[watched()];
    return said.venue === one?.venue && said.symbol === one.symbol;
  };

  function takeEquity(now: EquityNow): void {
    const { equity, after } = account.take(now);
    setEquity(equity);
    if (after !== undefined) connection.send({ marks: after });
  }

  function tell(said: Topic): void {
    if (said.topic === "hello") greet(said);
    else if (said.topic === "status") takeStatus(said);
    else if (said.topic === "votes") isWatched(said) && setVotes(said);
    else if (said.topic === "book") isWatched(said) && setBook(said);
    else if (said.topic === "equity") takeEquity(said);
    else if (said.topic === "calibration") setCalibration(said);
    else if (said.topic === "latency") setLatency(said);
    else if (said.topic === "drift") setDrift(said);
    else if (said.topic === "alarms") setAlarms(said);
    else if (said.topic === "refusal") setRefusal(said.message);
    else if (said.topic === "gone" && said.instrument === watched())
      holes.gone(said.first, said.last);
  }

  function show(data: ArrayBuffer): void {
    const frame = decode(data);
    if (frame.instrument !== watched()) return;
    holes.found(columns.put(frame));
    changed();
  }

  async function explain(): Promise<Explanation> {
    const one = hello()?.instruments[watched()];
    if (!one) throw new Error("The server has not said what it watches.");
    const answer = await fetch("/api/v1/predict?explain=1", {
      method: "POST",
      headers: { "content-type": "application/json", ...connection.headers() },
      body: JSON.stringify({ instrument: one.symbol, venue: one.venue }),
    });
    const said = await answer.json();
    if (!answer.ok) throw new Error(said.message ?? `The server answers ${answer.status}.`);
    if (!said.explanation) throw new Error("This prediction is not explained.");
    return said.explanation as Explanation;
  }

  const looked = () => {
    const first = (view.end() ?? columns.newest) - view.span() + 1;
    if (columns.newest >= 0 && first < columns.oldest) holes.older(first);
  };
  createEffect(on([view.span, view.end], looked, { defer: true }));
  onCleanup(connection.close);

  return {
    ...{ link: connection.link, stale: connection.stale, age: connection.age },
    ...{ hello, watched, watch, columns, revision, view, status, votes, book, calibration },
    ...{ equity, latency, drift, alarms, refusal, explain },
    older: holes.older,
    dismiss: () => setRefusal(),
    unlock: connection.unlock,
    acknowledge: (rule, subject) => connection.send({ acknowledge: { rule, subject } }),
  };
}
