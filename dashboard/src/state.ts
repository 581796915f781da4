// The board: what the server tells, kept as the panes read it.

import { type Accessor, onCleanup } from "solid-js";
import type { Board, Explanation } from "./board";
import { createLatest } from "./latest";
import { type Connection, createLink, type Denial, probe, type Socket } from "./link";
import { createTimeline } from "./timeline";
import { KEPT, type StatusNow, type Topic, type Watched } from "./told";
import { createWatch } from "./watch";

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

function connect(options: Options, heard: (data: string | ArrayBuffer) => void): Connection {
  return createLink({
    open: options.open ?? openHere,
    probe: options.probe ?? probe,
    storage: options.storage ?? sessionStorage,
    heard,
  });
}

async function explain(of: Watched | undefined, connection: Connection): Promise<Explanation> {
  if (!of) throw new Error("The server has not said what it watches.");
  const answer = await fetch("/api/v1/predict?explain=1", {
    method: "POST",
    headers: { "content-type": "application/json", ...connection.headers() },
    body: JSON.stringify({ instrument: of.symbol, venue: of.venue }),
  });
  const said = await answer.json();
  if (!answer.ok) throw new Error(said.message ?? `The server answers ${answer.status}.`);
  if (!said.explanation) throw new Error("This prediction is not explained.");
  return said.explanation as Explanation;
}

/** Must be called under a root of Solid's, which closes the connection when it is disposed. */
export function createBoard(options: Options = {}): LiveBoard {
  const connection = connect(options, (data) =>
    typeof data === "string" ? tell(JSON.parse(data)) : timeline.show(data),
  );
  const latest = createLatest((after) => connection.send({ marks: after }));
  const timeline = createTimeline(options.size ?? KEPT, connection.send);
  const watching = createWatch(connection, timeline, forget);
  const { hello, watch } = watching;

  function forget(): void {
    latest.forget();
    timeline.forget();
  }

  /** Another pipeline; where it plays what was recorded, its time begins anew too. */
  function takeStatus(now: StatusNow): void {
    const before = latest.status()?.started;
    latest.take(now);
    const mode = hello()?.mode;
    const replayed = mode === "REPLAY" || mode === "SIMULATED";
    if (replayed && before !== undefined && before !== now.started) {
      forget();
      timeline.ask();
    }
  }

  function tell(said: Topic): void {
    if (said.topic === "hello") watching.greet(said);
    else if (said.topic === "status") takeStatus(said);
    else if (said.topic === "gone") timeline.lose(said);
    else if ((said.topic !== "votes" && said.topic !== "book") || watching.concerns(said))
      latest.take(said);
  }

  onCleanup(connection.close);

  const { link, stale, age, unlock } = connection;
  const { watched, columns, revision, view, older } = timeline;
  const { status, votes, book, calibration, equity, latency, drift, alarms } = latest;
  const { refusal, dismiss } = latest;
  return {
    ...{ link, stale, age, unlock, hello, watch, watched, columns, revision, view, older },
    ...{ status, votes, book, calibration, equity, latency, drift, alarms, refusal, dismiss },
    explain: () => explain(watching.one(), connection),
    acknowledge: (rule, subject) => connection.send({ acknowledge: { rule, subject } }),
  };
}
