// What changed: columns that are no longer distributed as before, errors that rose, models swapped.

import { createMemo, For, Index, Show } from "solid-js";
import type { Board } from "../board";
import { end, type Shift, shifts } from "../draw/drift";
import { fixed } from "../numbers";
import Pane, { Waits } from "../parts/Pane";
import { clock, ofNs, stamp, zone } from "../time";
import type { DriftNow, SwapNow } from "../told";
import "../styles/figures.css";

export default function Drift(props: { board: Board }) {
  const of = () => props.board.drift();
  return (
    <Pane
      name="drift"
      title="Drift"
      unit="PSI"
      legend={
        <Show when={of()}>{(now) => <span>┃ alarm above {fixed(now().limit, 2)}</span>}</Show>
      }
      board={props.board}
    >
      <Show when={of()} fallback={<Waits for="drift" />}>
        {(now) => (
          <div class="changes" data-limit={now().limit}>
            <Columns of={now()} />
            <Errors of={now()} />
            <Swaps of={now().swaps} />
          </div>
        )}
      </Show>
    </Pane>
  );
}

function Columns(props: { of: DriftNow }) {
  const all = createMemo(() => shifts(props.of));
  return (
    <Show
      when={all().length > 0}
      fallback={<p>No column is compared yet: it will be with {props.of.reference}.</p>}
    >
      <ol class="psi" title={`compared with ${props.of.reference}`}>
        <Index each={all()}>
          {(one) => <Bar of={one()} limit={props.of.limit / end(props.of)} />}
        </Index>
      </ol>
      <p class="reference">compared with {props.of.reference}</p>
    </Show>
  );
}

function Bar(props: { of: Shift; limit: number }) {
  return (
    <li
      classList={{ beyond: props.of.beyond }}
      data-column={props.of.column}
      data-psi={props.of.psi}
    >
      <span class="name" title={props.of.column}>
        {props.of.column}
      </span>
      <span class="axis">
        <span class="length" style={{ width: `${100 * props.of.length}%` }} />
        <span class="limit" style={{ left: `${100 * props.limit}%` }} />
      </span>
      <span>
        {props.of.beyond ? "! " : ""}
        {fixed(props.of.psi, 2)}
      </span>
    </li>
  );
}

function Errors(props: { of: DriftNow }) {
  const rose = () => props.of.drifts.filter(([, count]) => count > 0);
  const targets = () => `${props.of.drifts.length} targets`;
  return (
    <Show when={props.of.drifts.length > 0}>
      <p class="errors" title="times that the share of wrong sides was found to have risen">
        Error rose:{" "}
        <Show when={rose().length > 0} fallback={`never, of ${targets()}`}>
          <For each={rose()}>
            {([target, count], k) => (
              <span data-target={target} data-drifts={count}>
                {k() > 0 ? ", " : ""}
                {target} {count}×
              </span>
            )}
          </For>
        </Show>
      </p>
    </Show>
  );
}

function Swaps(props: { of: readonly SwapNow[] }) {
  const latest = () => [...props.of].reverse();
  return (
    <Show when={props.of.length > 0} fallback={<p class="swaps">No other model was loaded.</p>}>
      <ul class="swaps">
        <For each={latest()}>
          {(swap) => (
            <li title={swap.why} data-accepted={swap.accepted}>
              <time title={`${stamp(ofNs(swap.ts))} ${zone()}`}>{clock(ofNs(swap.ts))}</time>{" "}
              {swap.accepted ? "✓ accepted" : "✗ refused"} {swap.version.slice(0, 8)}
              <Show when={swap.why !== ""}>
                <small> {swap.why}</small>
              </Show>
            </li>
          )}
        </For>
      </ul>
    </Show>
  );
}
