// Finished runs: the list at the left; at the right the page of the one that is open, or two compared.

import { createMemo, createResource, createSignal, onCleanup, onMount, Show } from "solid-js";
import { type Key, listen } from "../keys";
import Help from "../parts/Help";
import { theme, toggleTheme } from "../theme";
import { toggleZone, zone } from "../time";
import Compare from "./Compare";
import List, { type Chosen } from "./List";
import Report from "./Report";
import { Empty, Problems } from "./Says";
import type { Refused, Server } from "./server";
import { marked, ofHash, toHash } from "./table";
import type { Finished } from "./told";

/** What is open, as the address has it. */
function chosen(): Chosen {
  const [names, setNames] = createSignal(ofHash(location.hash));
  const choose = (next: string[]) => {
    setNames(next);
    history.replaceState(null, "", toHash(next) || location.pathname);
  };
  const heard = () => setNames(ofHash(location.hash));
  onMount(() => addEventListener("hashchange", heard));
  onCleanup(() => removeEventListener("hashchange", heard));
  return {
    names,
    open: (name) => choose([name]),
    mark: (name) => choose(marked(names(), name)),
    swap: () => choose([...names()].reverse()),
    close: () => choose([]),
  };
}

interface Acts {
  search(): void;
  again(): void;
  help(): void;
  close(): void;
}

function bindings(open: Chosen, { search, again, help, close }: Acts): Key[] {
  const link = () => location.assign("./");
  return [
    { keys: ["?"], shown: "?", does: "this list", act: help },
    { keys: ["ArrowDown", "j"], shown: "↓", does: "next run", act: () => step(1) },
    { keys: ["ArrowUp", "k"], shown: "↑", does: "run before", act: () => step(-1) },
    { keys: [], shown: "Enter", does: "open it", act: () => {} }, // the row's own
    {
      keys: ["c"],
      shown: "c",
      does: "compare it with the one that is open",
      act: () => mark(open),
    },
    { keys: ["x"], shown: "x", does: "the other way round", act: open.swap },
    { keys: ["/"], shown: "/", does: "filter", act: search },
    { keys: ["r"], shown: "r", does: "read the folder again", act: again },
    { keys: ["Escape"], shown: "Esc", does: "close what is open", act: close },
    { keys: ["b"], shown: "b", does: "the live board", act: link },
    { keys: ["t"], shown: "t", does: "dark or light", act: toggleTheme },
    { keys: ["u"], shown: "u", does: "UTC or local time", act: toggleZone },
  ];
}

const rows = () => [...document.querySelectorAll<HTMLElement>("tr[data-name]")];

function step(by: number): void {
  const all = rows();
  const at = all.indexOf(document.activeElement as HTMLElement);
  all[at < 0 ? 0 : Math.max(0, Math.min(all.length - 1, at + by))]?.focus();
}

function mark(open: Chosen): void {
  const name = (document.activeElement as HTMLElement | null)?.dataset.name;
  if (name) open.mark(name);
}

function Top(props: { about: string; again: () => void; help: () => void }) {
  return (
    <header class="status">
      <a href="./" title="the live board (b)">
        ← board
      </a>
      <h1>Finished runs</h1>
      <span class="item">{props.about}</span>
      <span class="switches">
        <button type="button" title="read the folder again (r)" onClick={() => props.again()}>
          ⟳ read again
        </button>
        <button type="button" title="UTC or local time (u)" onClick={toggleZone}>
          {zone()}
        </button>
        <button type="button" title="dark or light (t)" onClick={toggleTheme}>
          {theme() === "dark" ? "◐ dark" : "◑ light"}
        </button>
        <button type="button" title="all keys (?)" onClick={() => props.help()}>
          ?
        </button>
      </span>
    </header>
  );
}

function Open(props: { server: Server; open: Chosen; runs: readonly Finished[] }) {
  const found = createMemo(() =>
    props.open.names().map((name) => props.runs.find((one) => one.name === name) ?? name),
  );
  const missing = () => found().find((one) => typeof one === "string");
  const whole = () => found().filter((one): one is Finished => typeof one !== "string");
  return (
    <Show when={!missing()} fallback={<Empty>There is no {missing() as string} any more.</Empty>}>
      <Show when={whole().length === 2}>
        <Compare server={props.server} open={props.open} a={whole()[0]!} b={whole()[1]!} />
      </Show>
      <Show when={whole().length === 1 && whole()[0]} keyed>
        {(one) => <Report server={props.server} run={one} />}
      </Show>
      <Show when={whole().length === 0}>
        <Empty>
          Open a run to read its report; pick a second to compare the two. <kbd>?</kbd> lists all
          keys.
        </Empty>
      </Show>
    </Show>
  );
}

export default function App(props: { server: Server }) {
  const [told, { refetch }] = createResource(() => props.server.list());
  const open = chosen();
  let dialog!: HTMLDialogElement;
  const again = () => void refetch();
  const help = () => (dialog.open ? dialog.close() : dialog.showModal());
  const search = () => document.querySelector<HTMLElement>("input[type=search]")?.focus();
  const close = () => (dialog.open ? dialog.close() : open.close());
  const table = bindings(open, { search, again, help, close });
  onMount(() => onCleanup(listen(document, table)));
  const runs = () => (told.error ? undefined : told.latest);
  const about = () => {
    const all = runs();
    if (!all) return "";
    const left = all.left_out ? `, ${all.left_out} not listed: too many, or of odd names` : "";
    return `${all.runs.length} in ${all.folder}${left}`;
  };
  const unlock = (key: string) => {
    props.server.unlock(key);
    again();
  };
  return (
    <div class="finished">
      <Top about={about()} again={again} help={help} />
      <div role="alert">
        <Problems error={told.error as Refused | undefined} again={again} unlock={unlock} />
      </div>
      <Show
        when={runs()}
        fallback={<Empty>{told.loading ? "Reads the folder …" : "Nothing is shown."}</Empty>}
      >
        {(all) => (
          <Show
            when={all().runs.length}
            fallback={
              <Empty>
                Nothing is finished in {all().folder} yet:{" "}
                <code>flowsense run RECORDING --out {all().folder}/NAME</code> leaves a run there.
              </Empty>
            }
          >
            <main class="sides">
              <List runs={all().runs} open={open} />
              <section class="pane" aria-label="what is open">
                <Open server={props.server} open={open} runs={all().runs} />
              </section>
            </main>
          </Show>
        )}
      </Show>
      <Help table={table} ref={(it) => (dialog = it)} close={help} />
    </div>
  );
}
