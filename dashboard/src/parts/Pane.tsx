// What surrounds every pane: title, unit, legend, and how old it is where the server is silent.

import { type JSX, Show } from "solid-js";
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
  return (
    <section
      class={`pane ${props.name}`}
      style={{ "grid-area": props.name }}
      aria-labelledby={`${props.name}-title`}
    >
      <header>
        <h2 id={`${props.name}-title`}>{props.title}</h2>
        <Show when={props.unit}>
          <span class="unit">{props.unit}</span>
        </Show>
        <Show when={props.board.stale()}>
          <span class="old">{duration(props.board.age())} old</span>
        </Show>
        <Show when={props.legend}>
          <div class="legend">{props.legend}</div>
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
