// One run: what was found, and its pages, each in a frame in which nothing runs.

import { createEffect, createResource, createSignal, For, onCleanup, Show } from "solid-js";
import { Empty, sentence } from "./Says";
import type { Server } from "./server";
import type { Finished } from "./told";

export default function Report(props: { server: Server; run: Finished }) {
  const [at, setAt] = createSignal(0);
  const page = () => props.run.pages[at()];
  const [held] = createResource(
    () => page()?.path,
    (path) => props.server.page(path),
  );
  const [address, setAddress] = createSignal("");
  createEffect(() => {
    const content = held.error ? undefined : held();
    if (!content) return setAddress("");
    const made = URL.createObjectURL(content);
    setAddress(made);
    onCleanup(() => URL.revokeObjectURL(made));
  });
  // Without a key the address of the server is good for others, too.
  const alone = () => (props.server.keyed() ? address() : page()?.path);
  return (
    <>
      <header>
        <h2>{props.run.name}</h2>
        <span class="links">
          <For each={props.run.pages}>
            {(one, k) => (
              <button type="button" aria-pressed={k() === at()} onClick={() => setAt(k())}>
                {one.title}
              </button>
            )}
          </For>
          <Show when={address()}>
            <a href={alone()} target="_blank" rel="noopener">
              open it alone ↗
            </a>
          </Show>
        </span>
      </header>
      <div class="body">
        <Show when={page()} fallback={<Empty>{props.run.why || "It has no page."}</Empty>}>
          <Show when={!held.error} fallback={<Empty>{sentence(held.error)}</Empty>}>
            <Show when={address()} fallback={<Empty>Reads the {page()?.title} …</Empty>}>
              {/* No script runs in it; of another origin it could not follow its own anchors. */}
              <iframe
                class="report"
                sandbox="allow-same-origin"
                src={address()}
                title={page()?.title}
              />
            </Show>
          </Show>
        </Show>
      </div>
    </>
  );
}
