// A number, or a dash that says why there is none.

import { Show } from "solid-js";
import { DASH, known } from "../numbers";

export default function Known(props: {
  value: number | null | undefined;
  format: (value: number) => string;
  /** Why there may be none. */
  why: string;
  title?: string;
}) {
  return (
    <Show
      when={known(props.value)}
      fallback={
        <span class="number unknown" title={props.why}>
          {DASH}
          <span class="hidden-text"> ({props.why})</span>
        </span>
      }
    >
      <span class="number" title={props.title}>
        {props.format(props.value as number)}
      </span>
    </Show>
  );
}
