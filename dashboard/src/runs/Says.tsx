// What is not there, and what was refused, in sentences.

import { type JSX, Match, Switch } from "solid-js";
import type { Refused } from "./server";

export function Empty(props: { children: JSX.Element }) {
  return (
    <div class="empty">
      <p>{props.children}</p>
    </div>
  );
}

function Unlock(props: { unlock: (key: string) => void }) {
  let input!: HTMLInputElement;
  const given = (event: SubmitEvent) => {
    event.preventDefault();
    if (input.value.trim()) props.unlock(input.value.trim());
  };
  return (
    <form class="unlock" onSubmit={given}>
      <label>
        key <input ref={input} type="password" autocomplete="off" size="32" autofocus />
      </label>{" "}
      <button type="submit">open</button>
    </form>
  );
}

/** Across the page, with what can be done about it. */
export function Problems(props: {
  error: Refused | undefined;
  again: () => void;
  unlock: (key: string) => void;
}) {
  return (
    <Switch>
      <Match when={props.error?.status === 401}>
        <div class="banner critical">
          ✖ {props.error?.message} <Unlock unlock={props.unlock} />
        </div>
      </Match>
      <Match when={props.error?.code === "no_runs"}>
        <div class="banner">There is no folder of runs: start the server with --runs DIR.</div>
      </Match>
      <Match when={props.error}>
        <div class="banner critical">
          ✖ {sentence(props.error)}{" "}
          <button type="button" onClick={() => props.again()}>
            ask again
          </button>
        </div>
      </Match>
    </Switch>
  );
}

/** Why, and what would help. */
export function sentence(error: unknown): string {
  const { message, hint } = error as Partial<Refused>;
  return `${message ?? "Something is wrong."}${hint ? ` (${hint})` : ""}`;
}
