// Why the newest prediction is what it is: what each column added, the row it was made of, the costs.

import { createResource, For, Match, onCleanup, onMount, Show, Switch } from "solid-js";
import type { Board, Explanation } from "../../board";
import { type Added, added, type Contribution, chance } from "../../draw/contributions";
import { fixed, percent, signed, significant } from "../../numbers";
import { clock, ofNs, zone } from "../../time";

const MOST = 15;
const MEMBER = "member ";
const NO_ANSWER = "The server could not be asked, or did not answer so that it can be read.";

export default function Why(props: { board: Board; close: () => void }) {
  const [found, { refetch }] = createResource(props.board.watched, () => props.board.explain());
  let head!: HTMLButtonElement;
  const before = document.activeElement;
  const pressed = (event: KeyboardEvent) => {
    if (event.key === "Escape") props.close();
  };
  onMount(() => head.focus());
  document.addEventListener("keydown", pressed);
  onCleanup(() => {
    document.removeEventListener("keydown", pressed);
    if (before instanceof HTMLElement) before.focus();
  });
  return (
    <aside class="drawer" aria-label="Why the newest prediction is what it is">
      <header>
        <h2>Why</h2>
        <span>{subject(found.error ? undefined : found())}</span>
        <button type="button" disabled={found.loading} onClick={() => refetch()}>
          ask again
        </button>
        <button type="button" ref={head} onClick={() => props.close()} aria-label="close">
          ✕
        </button>
      </header>
      <Switch>
        <Match when={found.loading}>
          <p class="empty">Asking the server …</p>
        </Match>
        <Match when={found.error}>
          <p class="empty" role="alert">
            {sentence(found.error)}
          </p>
        </Match>
        <Match when={found()}>{(why) => <Reasons of={why()} />}</Match>
      </Switch>
    </aside>
  );
}

function subject(of: Explanation | undefined): string {
  if (of === undefined) return "";
  const { sequence, ts, target, symbol } = of.prediction;
  return `#${sequence}, ${symbol}, ${target}, row of ${clock(ofNs(ts), true)} ${zone()}`;
}

function sentence(error: unknown): string {
  // Others than plain errors speak of the program: what came was no answer of the API's.
  if (!(error instanceof Error) || error.name !== "Error") return NO_ANSWER;
  return error.message || NO_ANSWER;
}

function Reasons(props: { of: Explanation }) {
  const sum = () => added(props.of.contributions, props.of.columns, MOST);
  return (
    <div class="reasons">
      <Show
        when={sum()}
        fallback={<p class="empty">No exact contributions are known of this model.</p>}
      >
        {(sum) => <Sum of={sum()} />}
      </Show>
      <Pairs
        title="Weights of the members"
        of={props.of.weights}
        as={(share) => percent(share, 1)}
      />
      <Pairs
        title="Costs of a way in and out, ticks"
        of={props.of.costs}
        as={(ticks) => significant(ticks, 3)}
      />
      <Pairs title="The row" of={props.of.columns} as={(value) => significant(value, 5)} />
    </div>
  );
}

function Sum(props: { of: Added }) {
  return (
    <table class="sum">
      <caption>What columns add to the log-odds of up, if it moves</caption>
      <thead>
        <tr>
          <th scope="col">column</th>
          <th scope="col">in the row</th>
          <th scope="col" />
          <th scope="col">adds</th>
        </tr>
      </thead>
      <tbody>
        <For each={props.of.top}>{(one) => <Term of={one} longest={props.of.longest} />}</For>
        <Show when={props.of.others > 0}>
          <Line name={`${props.of.others} others`} value={props.of.rest} />
        </Show>
        <Line name="where nothing is known" value={props.of.base} />
      </tbody>
      <tfoot>
        <Line
          name={`in all: P(up | it moves) ${fixed(chance(props.of.sum), 3)}`}
          value={props.of.sum}
        />
      </tfoot>
    </table>
  );
}

function Term(props: { of: Contribution; longest: number }) {
  const share = () => (props.longest > 0 ? (50 * Math.abs(props.of.adds)) / props.longest : 0);
  return (
    <tr data-column={props.of.column} data-adds={props.of.adds}>
      <th scope="row" title={props.of.column}>
        {props.of.column}
      </th>
      <td title="its value in the row">{inRow(props.of)}</td>
      <td class="axis">
        <span class="lean">
          <span
            class={props.of.adds < 0 ? "down" : "up"}
            style={{
              left: `${props.of.adds < 0 ? 50 - share() : 50}%`,
              width: `${share()}%`,
            }}
          />
        </span>
      </td>
      <td>{signed(props.of.adds, 3)}</td>
    </tr>
  );
}

/** A member that no columns explain adds as a whole: the row has no value of that name. */
function inRow(one: Contribution): string {
  if (one.value !== null) return significant(one.value, 4);
  return one.column.startsWith(MEMBER) ? "" : "missing";
}

function Line(props: { name: string; value: number }) {
  return (
    <tr>
      <th scope="row" colspan="3">
        {props.name}
      </th>
      <td>{signed(props.value, 3)}</td>
    </tr>
  );
}

function Pairs(props: {
  title: string;
  of: Readonly<Record<string, number>>;
  as: (value: number) => string;
}) {
  return (
    <Show when={Object.keys(props.of).length > 0}>
      <h3>{props.title}</h3>
      <dl class="pairs">
        <For each={Object.entries(props.of)}>
          {([name, value]) => (
            <div>
              <dt title={name}>{name}</dt>
              <dd data-raw={value}>{props.as(value)}</dd>
            </div>
          )}
        </For>
      </dl>
    </Show>
  );
}
