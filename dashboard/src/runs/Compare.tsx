// Two runs on the rows that both forecast: every score, its difference, and how far that is luck.

import { createResource, For, Show } from "solid-js";
import { fixed } from "../numbers";
import Known from "../parts/Known";
import { limits, looked, verdict } from "./differences";
import type { Chosen } from "./List";
import { Empty, sentence } from "./Says";
import type { Server } from "./server";
import { difference, interval, spelled, strip, towards, unit, value } from "./table";
import type { Beside, Comparison, Difference, Finished } from "./told";

const SHORT = "the common rows span too little time for an interval";

function Whisker(props: { one: Difference; limit: number }) {
  return (
    <Show when={props.one.ci95}>
      {(span) => {
        const drawn = () => strip(towards(props.one.score, span()), props.limit);
        return (
          <span class="whisker" aria-hidden="true">
            <i
              class={props.one.better ?? ""}
              style={{ left: `${drawn().left}%`, width: `${drawn().width}%` }}
            />
          </span>
        );
      }}
    </Show>
  );
}

function Line(props: { one: Difference; limit: number }) {
  const one = () => props.one;
  const number = (x: number) => value(one().score, x);
  const sign = () => verdict(one());
  return (
    <tr>
      <td>{spelled(one().score)}</td>
      <td class="right">
        <Known value={one().a} format={number} why="no row of A counts" />
      </td>
      <td class="right">
        <Known value={one().b} format={number} why="no row of B counts" />
      </td>
      <td class="right">
        <Known
          value={one().difference}
          format={(x) => difference(one().score, x)}
          why="one of them has none"
        />{" "}
        <small>{unit(one().score).name}</small>
      </td>
      <td>
        <span class="number" title={one().ci95 ? undefined : SHORT}>
          {interval(one().score, one().ci95)}
        </span>
      </td>
      <td>
        <Whisker one={one()} limit={props.limit} />
      </td>
      <td title={one().p === null ? SHORT : `p ${fixed(one().p, 3)}, two-sided`}>
        <span class={`mark ${sign().level}`}>
          <span aria-hidden="true">{sign().shape}</span> {sign().word}
        </span>
      </td>
    </tr>
  );
}

function Target(props: { one: Beside; limits: Map<string, number> }) {
  return (
    <tbody>
      <tr>
        <th class="target" colspan="7" scope="rowgroup">
          {props.one.target}{" "}
          <small>
            {fixed(props.one.n)} of {fixed(props.one.rows)} rows count: {props.one.verdict}. Looked
            at all times: {props.one.in_turn.map(looked).join("; ") || "nothing"}.
          </small>
        </th>
      </tr>
      <For each={props.one.scores}>
        {(one) => <Line one={one} limit={props.limits.get(unit(one.score).name) ?? 0} />}
      </For>
    </tbody>
  );
}

function Table(props: { found: Comparison }) {
  const far = () => limits(props.found.targets);
  const heads = ["score", "A", "B", "A − B", "95 %", "◀ A   B ▶", "better"];
  return (
    <>
      <p class="says">
        {fixed(props.found.common)} lines in common, of {fixed(props.found.a.rows)} of A (
        {props.found.a.model}) and {fixed(props.found.b.rows)} of B ({props.found.b.model}).
      </p>
      <table class="figures">
        <thead>
          <tr>
            <For each={heads}>
              {(head, k) => <th classList={{ right: k() > 0 && k() < 4 }}>{head}</th>}
            </For>
          </tr>
        </thead>
        <For each={props.found.targets}>{(one) => <Target one={one} limits={far()} />}</For>
      </table>
      <p class="says">{props.found.luck}</p>
      <For each={props.found.notes}>{(note) => <p class="says faint">Note: {note}.</p>}</For>
    </>
  );
}

export default function Compare(props: { server: Server; open: Chosen; a: Finished; b: Finished }) {
  const able = () => [props.a, props.b].every((one) => one.kind === "run" && !one.why);
  const [found] = createResource(
    () => (able() ? ([props.a.name, props.b.name] as const) : undefined),
    ([a, b]) => props.server.compare(a, b),
  );
  return (
    <>
      <header>
        <h2>
          A {props.a.name} · B {props.b.name}
        </h2>
        <span class="links">
          <button type="button" title="the other way round (x)" onClick={() => props.open.swap()}>
            ⇄ swap
          </button>
          <button type="button" onClick={() => props.open.open(props.a.name)}>
            open A
          </button>
          <button type="button" onClick={() => props.open.open(props.b.name)}>
            open B
          </button>
        </span>
      </header>
      <div class="body">
        <Show
          when={able()}
          fallback={
            <Empty>
              Only forecasts of runs are compared here; two accounts on one stream are by{" "}
              <code>flowsense backtest --against</code>.
            </Empty>
          }
        >
          <Show when={!found.error} fallback={<Empty>{sentence(found.error)}</Empty>}>
            <Show
              when={!found.loading && found()}
              fallback={<Empty>Compares them: this may take some seconds …</Empty>}
            >
              {(told) => <Table found={told()} />}
            </Show>
          </Show>
        </Show>
      </div>
    </>
  );
}
