// What is wrong now, since when, and what to do about it.

import { createMemo, createSignal, For, onCleanup, Show } from "solid-js";
import type { Board } from "../board";
import { duration } from "../numbers";
import Pane, { Waits } from "../parts/Pane";
import { clock, ofNs, stamp, zone } from "../time";
import type { Alarm } from "../told";

const SEVERITIES = {
  critical: { shape: "✖", rank: 0 },
  warning: { shape: "▲", rank: 1 },
} as const;

/** What nobody has acknowledged first, then what is critical, then what is newest. */
export function ordered(alarms: readonly Alarm[]): Alarm[] {
  const rank = (a: Alarm) => 2 * Number(a.acknowledged) + SEVERITIES[a.severity].rank;
  return [...alarms].sort((a, b) => rank(a) - rank(b) || b.since - a.since);
}

function One(props: { alarm: Alarm; now: number; board: Board }) {
  const a = () => props.alarm;
  const since = () => ofNs(a().since);
  const mayAcknowledge = () => props.board.hello()?.admin && !a().acknowledged;
  return (
    <li class="alarm" classList={{ acknowledged: a().acknowledged }}>
      <span class={`mark ${a().severity}`}>
        <span aria-hidden="true">{SEVERITIES[a().severity].shape}</span> {a().severity}
      </span>{" "}
      <span class="number" title={`${stamp(since())} ${zone()}`}>
        since {clock(since())}, {duration(Math.max(0, props.now - since()))}
      </span>
      <p>{a().says}</p>
      <p class="action">→ {a().action}</p>
      <Show when={a().acknowledged}>
        <em>acknowledged</em>
      </Show>
      <Show when={mayAcknowledge()}>
        <button
          type="button"
          disabled={props.board.stale()}
          aria-label={`acknowledge ${a().rule} of ${a().subject}`}
          onClick={() => props.board.acknowledge(a().rule, a().subject)}
        >
          acknowledge
        </button>
      </Show>
    </li>
  );
}

export default function Alarms(props: { board: Board }) {
  const [now, setNow] = createSignal(Date.now());
  const ticking = setInterval(() => setNow(Date.now()), 1_000);
  onCleanup(() => clearInterval(ticking));
  const list = createMemo(() => ordered(props.board.alarms()?.alarms ?? []));
  const open = () => list().filter((a) => !a.acknowledged).length;
  return (
    <Pane
      board={props.board}
      name="alarms"
      title="Alarms"
      unit={props.board.alarms() && `${list().length} now, ${open()} unseen`}
    >
      <Show when={props.board.alarms()} fallback={<Waits for="alarms" />}>
        <Show when={list().length} fallback={<div class="waits">none now</div>}>
          <ul class="alarms-list">
            <For each={list()}>
              {(alarm) => <One alarm={alarm} now={now()} board={props.board} />}
            </For>
          </ul>
        </Show>
      </Show>
    </Pane>
  );
}
