// What surrounds every pane: title, unit, legend, and how old it is where the server is silent.

import { children, type JSX, Show } from "solid-js";
import type { Board } from "../board";
import { duration } from "../numbers";

export default function Pane(props: {
  board: Board;
  /** Also the name of its place in the grid. */
  name: string;
  title: string;
  unit?: JSX.Element;
  legend?: JSX.Element;
  /** Without margins: a canvas fills it. */
  flush?: boolean;
  children: JSX.Element;
}) {
  // Made once: each reading of a property of elements would make them again.
  const unit = children(() => props.unit);
  const legend = children(() => props.legend);
  return (
    <section
      class={`pane ${props.name}`}
      style={{ "grid-area": props.name }}
      aria-labelledby={`${props.name}-title`}
    >
      <header>
        <h2 id={`${props.name}-title`}>{props.title}</h2>
        <Show when={unit()}>
          <span class="unit">{unit()}</span>
        </Show>
        <Show when={props.board.stale()}>
          <span class="old">{duration(props.board.age())} old</span>
        </Show>
        <Show when={legend()}>
          <div class="legend">{legend()}</div>
        </Show>
      </header>
      <div class="body" classList={{ flush: props.flush ?? false }}>
        {props.children}
      </div>
    </section>
  );
}

/** In place of what has not been told yet. */
export function Waits(props: { for: string }) {
  return <div class="waits">waits for {props.for}</div>;
}
