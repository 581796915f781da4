// Is 70 % really 70 %? What was said against what came, and each score beside what it is without skill.

import { createMemo, createSignal, For, Show } from "solid-js";
import type { Board } from "../board";
import {
  type Count,
  counts,
  type Point,
  picked,
  points,
  type Score,
  scores,
} from "../draw/reliability";
import { fixed, percent } from "../numbers";
import Known from "../parts/Known";
import Pane, { Waits } from "../parts/Pane";
import type { Reliability, Tenth } from "../told";
import "../styles/figures.css";

const SQUARE = { left: 22, top: 4, size: 130 };
const BARS = { top: 150, high: 22 };
const SIZE = { width: 160, height: 184 };
const RIGHT = SQUARE.left + SQUARE.size;
const FOOT = SQUARE.top + SQUARE.size;
const TICKS = [0, 0.5, 1] as const;

export default function Calibration(props: { board: Board }) {
  const [target, setTarget] = createSignal("");
  const live = () => props.board.calibration()?.live ?? [];
  const wanted = () => target() || props.board.hello()?.target || "";
  const shown = createMemo(() => picked(live(), wanted()));
  const trained = createMemo(() =>
    props.board.calibration()?.trained.find((one) => one.target === shown()?.target),
  );
  const choice = (
    <Show when={live().length > 0}>
      <select
        aria-label="target"
        value={shown()?.target}
        onChange={(event) => setTarget(event.currentTarget.value)}
      >
        <For each={live()}>{(one) => <option value={one.target}>{one.target}</option>}</For>
      </select>
    </Show>
  );
  return (
    <Pane
      name="calibration"
      title="Calibration"
      unit="P(up | it moves)"
      legend={choice}
      board={props.board}
    >
      <Show when={shown()} fallback={<Waits for="scores" />}>
        {(of) => (
          <div
            class="reliability"
            data-target={of().target}
            data-outcomes={of().outcomes}
            data-ece={of().ece ?? undefined}
            data-ece-limit={of().ece_limit ?? undefined}
            data-brier={of().brier ?? undefined}
            data-hit-rate={of().hit_rate ?? undefined}
          >
            <Diagram live={of()} trained={trained()} />
            <div class="scores">
              <Scores of={of()} />
              <p class="outcomes" title="outcomes that overlap count for one together">
                <Show when={of().outcomes > 0} fallback="No outcome yet: nothing to judge.">
                  {fixed(of().outcomes)} outcomes, {fixed(of().weight)} without overlap
                </Show>
              </p>
              <p class="key">
                ● live, 95 % interval{" "}
                <Show when={trained()} fallback={<>◇ run's test: not kept</>}>
                  ◇ run's test
                </Show>
              </p>
            </div>
          </div>
        )}
      </Show>
    </Pane>
  );
}

function Diagram(props: { live: Reliability; trained: Reliability | undefined }) {
  const live = createMemo(() => points(props.live.bins, SQUARE));
  const trained = createMemo(() => points(props.trained?.bins ?? [], SQUARE));
  return (
    <svg
      viewBox={`0 0 ${SIZE.width} ${SIZE.height}`}
      role="img"
      aria-label={`reliability of ${props.live.target}: ${told(props.live.bins)}`}
    >
      <rect class="frame" x={SQUARE.left} y={SQUARE.top} width={SQUARE.size} height={SQUARE.size} />
      <line class="diagonal" x1={SQUARE.left} y1={FOOT} x2={RIGHT} y2={SQUARE.top} />
      <Came />
      <For each={trained()}>{(point) => <Hollow of={point} />}</For>
      <For each={live()}>{(point) => <Full of={point} />}</For>
      <Show when={live().length === 0}>
        <text
          class="none"
          x={SQUARE.left + SQUARE.size / 2}
          y={SQUARE.top + 30}
          text-anchor="middle"
        >
          no outcome yet
        </text>
      </Show>
      <Bars of={props.live.bins} />
      <Said />
    </svg>
  );
}

/** The axis on the left: the share that rose. */
function Came() {
  const turned = `translate(${SQUARE.left - 5} ${SQUARE.top + 0.25 * SQUARE.size}) rotate(-90)`;
  return (
    <>
      <For each={TICKS}>
        {(share) => (
          <text
            class="tick"
            x={SQUARE.left - 3}
            y={FOOT - share * SQUARE.size + 3}
            text-anchor="end"
          >
            {share}
          </text>
        )}
      </For>
      <text class="tick" text-anchor="middle" transform={turned}>
        came
      </text>
    </>
  );
}

/** The axis below: the probability that was said, of the square and of the bars. */
function Said() {
  return (
    <>
      <text class="tick" x={SQUARE.left + 0.75 * SQUARE.size} y={FOOT + 10} text-anchor="middle">
        said
      </text>
      <For each={TICKS}>
        {(share) => (
          <text
            class="tick"
            x={SQUARE.left + share * SQUARE.size}
            y={FOOT + 10}
            text-anchor={share === 1 ? "end" : "middle"}
          >
            {share}
          </text>
        )}
      </For>
    </>
  );
}

/** How many outcomes each point stands for. */
function Bars(props: { of: readonly Tenth[] }) {
  const bars = createMemo(() => counts(props.of, SQUARE));
  const y = BARS.top + BARS.high;
  return (
    <>
      <For each={bars()}>{(count) => <Bar of={count} />}</For>
      <line class="frame" x1={SQUARE.left} y1={y} x2={RIGHT} y2={y} />
      <text class="tick" x={SQUARE.left - 3} y={y} text-anchor="end">
        n
      </text>
    </>
  );
}

function Full(props: { of: Point }) {
  return (
    <g class="live" data-said={props.of.bin.said} data-came={props.of.bin.came}>
      <title>{bin(props.of.bin)}</title>
      <line x1={props.of.x} x2={props.of.x} y1={props.of.high} y2={props.of.low} />
      <line x1={props.of.x - 3} x2={props.of.x + 3} y1={props.of.high} y2={props.of.high} />
      <line x1={props.of.x - 3} x2={props.of.x + 3} y1={props.of.low} y2={props.of.low} />
      <circle cx={props.of.x} cy={props.of.y} r="3" />
    </g>
  );
}

function Hollow(props: { of: Point }) {
  const diamond = () => {
    const { x, y } = props.of;
    return `M${x} ${y - 4}L${x + 4} ${y}L${x} ${y + 4}L${x - 4} ${y}Z`;
  };
  return (
    <path class="trained" d={diamond()}>
      <title>in the run's own test: {bin(props.of.bin)}</title>
    </path>
  );
}

function Bar(props: { of: Count }) {
  const high = () => (props.of.share > 0 ? Math.max(1, props.of.share * BARS.high) : 0);
  return (
    <rect
      class="count"
      x={props.of.x + 1}
      y={BARS.top + BARS.high - high()}
      width={props.of.width - 2}
      height={high()}
    >
      <title>
        {fixed(props.of.tenth / 10, 1)} to {fixed((props.of.tenth + 1) / 10, 1)}:{" "}
        {fixed(props.of.weight)} outcomes
      </title>
    </rect>
  );
}

function bin(of: Tenth): string {
  const came = `rose in ${percent(of.came, 1)} ± ${percent(of.error, 1)}`;
  return `said ${percent(of.said, 1)}, ${came} of ${fixed(of.weight)}`;
}

function told(bins: readonly Tenth[]): string {
  const known = bins.filter((one) => one.weight > 0);
  return known.length === 0 ? "no outcome yet" : known.map(bin).join("; ");
}

function Scores(props: { of: Reliability }) {
  return (
    <dl>
      <For each={scores(props.of)}>
        {(score) => <Line of={score} some={props.of.outcomes > 0} />}
      </For>
    </dl>
  );
}

/** some: there are outcomes, though none that this score is made of. */
function Line(props: { of: Score; some: boolean }) {
  const why = () => (props.some ? "no move among the outcomes yet" : "no outcome yet");
  const shown = (value: number) => fixed(value, 3);
  return (
    <div title={props.of.title}>
      <dt>{props.of.name}</dt>
      <dd>
        <strong>
          <Known value={props.of.value} format={shown} why={why()} />
        </strong>{" "}
        <span classList={{ verdict: true, fails: props.of.passes === false }}>
          {props.of.passes === null ? "" : props.of.passes ? "✓ " : "✗ "}
          {props.of.verdict}
        </span>
        <small>
          <For each={props.of.beside}>
            {(null_, k) => (
              <>
                {k() > 0 ? " · " : ""}
                {null_.name} <Known value={null_.value} format={shown} why={why()} />
              </>
            )}
          </For>
        </small>
      </dd>
    </div>
  );
}
