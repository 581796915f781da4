// Does it pay after costs? The paper account, of seconds that were told; a hole in them is a gap.

import { createEffect, createSignal, For, Show } from "solid-js";
import type uPlot from "uplot";
import type { Board } from "../board";
import { Series, WATERMARK } from "../draw/equity";
import { fixed, percent, significant } from "../numbers";
import Chart from "../parts/Chart";
import Known from "../parts/Known";
import Pane, { Waits } from "../parts/Pane";
import { clock, ofNs, stamp, zone } from "../time";
import type { EquityNow } from "../told";
import { gains, LINES, losses } from "./equity/plots";
import "../styles/figures.css";

/** Digits that show a millionth of the capital. */
function digits(capital: number): number {
  return Math.max(0, Math.min(8, 6 - Math.floor(Math.log10(capital))));
}

export default function Equity(props: { board: Board }) {
  const series = new Series();
  const [revision, setRevision] = createSignal(0);
  const [shown, setShown] = createSignal<readonly boolean[]>([true, false, false]);
  const [pointed, point] = createSignal<number | null>(null);
  const of = () => props.board.equity();
  createEffect(() => {
    if (series.take(of()?.marks ?? [])) setRevision((n) => n + 1);
  });
  const toggle = (k: number) => setShown(shown().map((on, j) => (j === k ? !on : on)));
  const money = (value: number) => fixed(value, digits(of()?.now.capital ?? 1));
  /** The second under the pointer, else the newest. */
  const place = () => {
    revision(); // the series themselves tell nobody that they grew
    return pointed() ?? series.x.length - 1;
  };
  return (
    <Pane
      board={props.board}
      name="equity"
      title="Equity"
      unit="after costs"
      legend={
        <Lines series={series} place={place()} shown={shown()} toggle={toggle} format={money} />
      }
    >
      <Show when={of()} fallback={<Waits for="the account" />}>
        {(account) => (
          <div
            class="account"
            data-number={account().marks.at(-1)?.number}
            data-net={account().marks.at(-1)?.net}
          >
            <div class="picture">
              <Charts series={series} revision={revision()} shown={shown()} point={point} />
              <Show when={props.board.hello()?.mode}>
                {(mode) => <span class="watermark">{WATERMARK[mode()]}</span>}
              </Show>
              <Show when={account().marks.length === 0}>
                <p class="nothing">
                  {account().now.why
                    ? `There is no account: ${account().now.why}`
                    : "No second has passed yet."}
                </p>
              </Show>
            </div>
            <Show when={!account().now.why}>
              <Facts
                of={account().now}
                missing={revision() > 0 ? series.missing : 0}
                format={money}
              />
            </Show>
          </div>
        )}
      </Show>
    </Pane>
  );
}

/** What was gained, and under it what was lost since the best. */
function Charts(props: {
  series: Series;
  revision: number;
  shown: readonly boolean[];
  point: (place: number | null) => void;
}) {
  const { x, net, gross, hold, drawdown } = props.series; // the same arrays as long as it lives
  const gained = [x, net, gross, hold] as uPlot.AlignedData;
  const lost = [x, drawdown] as uPlot.AlignedData;
  return (
    <>
      <Chart
        options={() => gains(props.point)}
        data={gained}
        revision={props.revision}
        shown={props.shown}
        label="gain of the account over time"
      />
      <Chart
        options={() => losses(props.point)}
        data={lost}
        revision={props.revision}
        label="drawdown over time"
      />
    </>
  );
}

/** Each line's number, which also switches it. */
function Lines(props: {
  series: Series;
  place: number;
  shown: readonly boolean[];
  toggle: (k: number) => void;
  format: (value: number) => string;
}) {
  const second = () => props.series.x[props.place];
  return (
    <>
      <Show when={second()}>{(s) => <time>{clock(s() * 1_000)}</time>}</Show>
      <For each={LINES}>
        {(line, k) => (
          <button
            type="button"
            class={`line ${line.name}`}
            title={line.title}
            aria-pressed={props.shown[k()]}
            onClick={() => props.toggle(k())}
          >
            {line.name}{" "}
            <Known
              value={props.series[line.name][props.place]}
              format={props.format}
              why="no mark of this second was received"
            />
          </button>
        )}
      </For>
    </>
  );
}

function Facts(props: { of: EquityNow; missing: number; format: (value: number) => string }) {
  const held = () =>
    props.of.held.map(([symbol, size]) => `${symbol} ${significant(size, 4)}`).join(", ");
  return (
    <dl class="facts">
      <Fact
        name="worst drawdown"
        value={percent(props.of.worst, 3)}
        title={`of the capital, ${fixed(props.of.capital)}`}
      />
      <Fact
        name="since"
        value={clock(ofNs(props.of.since))}
        title={`${stamp(ofNs(props.of.since))} ${zone()}`}
      />
      <Fact name="trades" value={fixed(props.of.trades)} />
      <Fact name="turnover" value={props.format(props.of.turnover)} />
      <Fact name="fees" value={props.format(props.of.fees)} />
      <Fact name="held" value={held() || "nothing"} />
      <Show when={props.missing > 0}>
        <Fact
          name="not received"
          value={`${fixed(props.missing)} s`}
          title="seconds without a mark: gaps in the lines"
        />
      </Show>
    </dl>
  );
}

function Fact(props: { name: string; value: string; title?: string }) {
  return (
    <div title={props.title}>
      <dt>{props.name}</dt> <dd>{props.value}</dd>
    </div>
  );
}
