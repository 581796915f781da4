// Which of the server's instruments is watched: the page says so, and a greeting may move it.

import { createSignal } from "solid-js";
import type { Board } from "./board";
import type { Connection } from "./link";
import type { Timeline } from "./timeline";
import { type Hello, PROTOCOL, type Watched } from "./told";

export interface Watching extends Pick<Board, "hello" | "watch"> {
  /** What is watched; undefined: the server has not said what it has. */
  one(): Watched | undefined;
  /** Whether that is what a message is about. */
  concerns(said: { venue: string; symbol: string }): boolean;
  greet(now: Hello): void;
}

/** forget: of what was watched before. */
export function createWatch(
  connection: Connection,
  timeline: Timeline,
  forget: () => void,
): Watching {
  const [hello, setHello] = createSignal<Hello>();
  const one = () => hello()?.instruments[timeline.watched()];
  let greeted = -1; // since when the connection is open on which a watch was begun

  const concerns = (said: { venue: string; symbol: string }) => {
    const of = one();
    return said.venue === of?.venue && said.symbol === of.symbol;
  };

  function begin(): void {
    timeline.columns.begun = one()?.first ?? 0;
  }

  function watch(instrument: number): void {
    if (instrument === timeline.watched() || !hello()?.instruments[instrument]) return;
    timeline.move(instrument);
    forget();
    begin();
    timeline.ask();
  }

  /** Takes in what the server has; -> whether what is watched is another, or at another place. */
  function place(now: Hello): boolean {
    const old = one();
    const found = now.instruments.findIndex(
      (one) => one.venue === old?.venue && one.symbol === old.symbol,
    );
    const other = old !== undefined && found < 0;
    const moved = other || (found >= 0 && found !== timeline.watched());
    setHello(now);
    if (moved) timeline.move(Math.max(found, 0));
    if (other) forget();
    begin();
    return moved;
  }

  function greet(now: Hello): void {
    if (now.protocol !== PROTOCOL) {
      connection.refuse(`The server speaks protocol ${now.protocol}: load this page again.`);
      return;
    }
    const moved = place(now);
    connection.welcome();
    const { since } = connection.link();
    const fresh = greeted !== since;
    if (!(fresh || moved) || !one()) return; // none is heard yet
    greeted = since;
    timeline.ask();
    if (fresh) timeline.again();
  }

  return { hello, watch, one, concerns, greet };
}
