// Across the page: why what is shown is not of now, and what is asked for.

import { Match, Show, Switch } from "solid-js";
import { duration } from "../numbers";
import type { LiveBoard } from "../state";
import { clock, zone } from "../time";

function Unlock(props: { board: LiveBoard }) {
  let input!: HTMLInputElement;
  const given = (event: SubmitEvent) => {
    event.preventDefault();
    if (input.value.trim()) props.board.unlock(input.value.trim());
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

export default function Banner(props: { board: LiveBoard }) {
  const board = () => props.board;
  const phase = () => board().link().phase;
  const silent = () => board().stale() || phase() === "lost";
  const since = () => (board().stale() ? Date.now() - board().age() : board().link().since);
  return (
    <div class="banners" role="alert">
      <Switch>
        <Match when={phase() === "refused"}>
          <div class="banner critical">
            ✖ {board().link().why} <Unlock board={board()} />
          </div>
        </Match>
        <Match when={silent() && !board().hello()}>
          <div class="banner critical">
            ✖ {board().link().why} It is tried again every second, since {clock(since())} {zone()}.
          </div>
        </Match>
        <Match when={silent()}>
          <div class="banner critical">
            ✖ The server has not been heard since {clock(since())} {zone()}
            <Show when={board().stale()}> ({duration(board().age())})</Show>: what is shown is of
            then. {board().link().why} It is tried again every second.
          </div>
        </Match>
        <Match when={!board().hello()}>
          <div class="banner">… Connecting to the server.</div>
        </Match>
        <Match when={board().status()?.ready === false}>
          <div class="banner critical">
            ✖ The pipeline is not ready:{" "}
            {board().status()?.reasons.join("; ") || board().status()?.state}
          </div>
        </Match>
      </Switch>
      <Show when={board().refusal()}>
        <div class="banner warning">
          ▲ The server refused: {board().refusal()}{" "}
          <button type="button" onClick={() => board().dismiss()}>
            seen
          </button>
        </div>
      </Show>
    </div>
  );
}
