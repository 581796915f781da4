// The table of runs: one line each, its score beside the best null's; sorted by whatever is clicked.

import { type Accessor, createMemo, createSignal, For, type JSX, Show } from "solid-js";
import Known from "../parts/Known";
import { ofNs, stamp, zone } from "../time";
import {
  type By,
  difference,
  first,
  gap,
  interval,
  matches,
  means,
  type Order,
  ordered,
  STANDS,
  scoreOf,
  shortened,
  spelled,
  targets,
  unit,
  value,
  word,
} from "./table";
import type { Finished, Score } from "./told";

const NO_INTERVAL = "no interval: too little time for one";

export interface Chosen {
  /** A and B, as far as there are any. */
  readonly names: Accessor<readonly string[]>;
  open(name: string): void;
  mark(name: string): void;
  swap(): void;
  close(): void;
}

const HEADS: readonly { by: By; text: string; right?: boolean; minor?: boolean; title: string }[] =
  [
    { by: "name", text: "run", title: "its folder" },
    { by: "when", text: "done", minor: true, title: "when its results were written" },
    { by: "score", text: "score", right: true, title: "on rows that it never learned from" },
    {
      by: "null",
      text: "best null",
      title: "the rule without learning that does best on these rows",
    },
    { by: "difference", text: "difference", title: "from the best null; 95 % interval, paired" },
    { by: "stands", text: "stands", title: "whether luck explains the difference" },
  ];

export function Stand(props: { score: Score }) {
  const sign = () => STANDS[props.score.stands];
  return (
    <span class={`mark ${sign().level}`} title={means(props.score)}>
      <span aria-hidden="true">{sign().shape}</span> {word(props.score)}
    </span>
  );
}

function Cells(props: { score: Score | undefined; target: string }) {
  const one = () => props.score as Score;
  const none = () => (props.target ? `no score of ${props.target}` : "nothing could be scored");
  return (
    <Show
      when={props.score}
      fallback={
        <td colspan="4" class="damaged">
          {none()}
        </td>
      }
    >
      <td class="right" title={`${one().target}, ${spelled(one().score)} of ${one().rows} rows`}>
        <Known value={one().value} format={(x) => value(one().score, x)} why="no row counts" />{" "}
        <small>{one().target}</small>
      </td>
      <td>
        <Known value={one().beside} format={(x) => value(one().score, x)} why="no null has it" />{" "}
        <small>{one().null}</small>
      </td>
      <td>
        <Known
          value={gap(one())}
          format={(x) => `${difference(one().score, x)} ${unit(one().score).name}`}
          why="one of them has none"
        />{" "}
        <small title={one().ci95 ? "95 %, paired" : NO_INTERVAL}>
          {interval(one().score, one().ci95)}
        </small>
      </td>
      <td>
        <Stand score={one()} />
      </td>
    </Show>
  );
}

function Row(props: { run: Finished; target: string; open: Chosen; tab: boolean }) {
  const run = () => props.run;
  const place = () => props.open.names().indexOf(run().name);
  return (
    <tr
      data-name={run().name}
      tabindex={props.tab ? 0 : -1}
      aria-selected={place() >= 0}
      onClick={() => props.open.open(run().name)}
      onKeyDown={(event) => {
        if (event.key === "Enter" && event.target === event.currentTarget)
          props.open.open(run().name);
      }}
    >
      <td>
        <button
          type="button"
          class="pick"
          classList={{ on: place() >= 0 }}
          tabindex="-1"
          title="compare with the one that is open (c)"
          aria-label={`pick ${run().name}`}
          aria-pressed={place() >= 0}
          onClick={(event) => {
            event.stopPropagation();
            props.open.mark(run().name);
          }}
        >
          {place() < 0 ? "+" : "AB"[place()]}
        </button>
      </td>
      <td class="name" title={`${run().name}: ${run().title || run().why}`}>
        {shortened(run()).name} <small>{shortened(run()).about}</small>
      </td>
      <td class="minor">
        <span class="number">{stamp(ofNs(run().when)).slice(0, 10)}</span>{" "}
        <small>{stamp(ofNs(run().when)).slice(11)}</small>
      </td>
      <Show
        when={!run().why}
        fallback={
          <td colspan="4" class="damaged">
            {run().why}
          </td>
        }
      >
        <Cells score={scoreOf(run(), props.target)} target={props.target} />
      </Show>
    </tr>
  );
}

function Head(props: { order: Order; sort: (by: By) => void }): JSX.Element {
  const sorted = (by: By) =>
    props.order.by !== by ? undefined : props.order.down ? "descending" : "ascending";
  return (
    <thead>
      <tr>
        <th class="pick-head">
          <span class="hidden-text">pick</span>
        </th>
        <For each={HEADS}>
          {(one) => (
            <th
              class={one.by}
              classList={{ right: one.right ?? false, minor: one.minor ?? false }}
              aria-sort={sorted(one.by)}
            >
              <button
                type="button"
                title={one.by === "when" ? `${one.title}, ${zone()}` : one.title}
                onClick={() => props.sort(one.by)}
              >
                {one.text}
                {sorted(one.by) ? (props.order.down ? " ↓" : " ↑") : ""}
              </button>
            </th>
          )}
        </For>
      </tr>
    </thead>
  );
}

export default function List(props: { runs: readonly Finished[]; open: Chosen }) {
  const [text, setText] = createSignal("");
  const [target, setTarget] = createSignal("");
  const [order, setOrder] = createSignal<Order>({ by: "when", down: true });
  const sort = (by: By) => setOrder((now) => ({ by, down: now.by === by ? !now.down : first(by) }));
  const shown = createMemo(() =>
    ordered(
      props.runs.filter((run) => matches(run, text())),
      target(),
      order(),
    ),
  );
  return (
    <section class="pane list" aria-label="runs">
      <header>
        <h2>Runs</h2>
        <span class="unit">each beside its best null</span>
        <span class="filters">
          <input
            type="search"
            placeholder="filter (/)"
            aria-label="filter"
            value={text()}
            onInput={(event) => setText(event.currentTarget.value)}
            onKeyDown={(event) => {
              if (event.key !== "Escape") return;
              setText("");
              event.currentTarget.blur();
            }}
          />
          <select aria-label="score of" onChange={(event) => setTarget(event.currentTarget.value)}>
            <option value="">score each leads with</option>
            <For each={targets(props.runs)}>{(one) => <option value={one}>{one}</option>}</For>
          </select>
        </span>
      </header>
      <div class="body">
        <table class="figures">
          <Head order={order()} sort={sort} />
          <tbody>
            <For each={shown()}>
              {(run, k) => <Row run={run} target={target()} open={props.open} tab={k() === 0} />}
            </For>
          </tbody>
        </table>
        <Show when={shown().length === 0}>
          <p class="says faint">
            Nothing of {props.runs.length} matches “{text()}”.
          </p>
        </Show>
      </div>
    </section>
  );
}
