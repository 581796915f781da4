// Which row a decision was made of, and how old that is.

import { createEffect, createSignal, Show } from "solid-js";
import type { Board } from "../../board";
import { duration } from "../../numbers";
import Known from "../../parts/Known";
import { clock, ofNs, stamp, zone } from "../../time";
import type { Prediction } from "../../told";

export default function Row(props: { board: Board; said: Prediction | null }) {
  const age = createAge(props);
  return (
    <span class="row">
      <Show when={props.said} fallback="–">
        {(said) => (
          <>
            <span title="sequence number among all predictions">#{said().sequence}</span>{" "}
            <time title={`end of the row that it was made of, ${stamp(ofNs(said().ts))} ${zone()}`}>
              {clock(ofNs(said().ts), true)}
            </time>{" "}
            <Known
              value={age()}
              format={duration}
              why="a replay: its time is not of now"
              title="age of that row"
            />
          </>
        )}
      </Show>
    </span>
  );
}

/** Milliseconds since the row ended by the server's clock; null: its time is another. */
function createAge(props: { board: Board; said: Prediction | null }) {
  const [ahead, setAhead] = createSignal<number | null>(null); // its clock, of ours
  createEffect(() => {
    const status = props.board.status();
    if (status !== undefined) setAhead(ofNs(status.now) - Date.now());
  });
  return () => {
    const [by, ts] = [ahead(), props.said?.ts];
    if (by === null || ts === undefined || props.board.hello()?.mode === "REPLAY") return null;
    return Math.max(0, Date.now() + by - ofNs(ts));
  };
}
