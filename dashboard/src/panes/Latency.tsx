// Where is time lost? Stages of the last minute, each a histogram over one logarithmic axis.

import { createEffect, createSignal, Index, onCleanup, onMount, Show } from "solid-js";
import type { Board } from "../board";
import { AXIS, Axis, BUDGETS_MS, draw, empty, type Ink } from "../draw/latency";
import { significant } from "../numbers";
import { colour } from "../parts/colour";
import Known from "../parts/Known";
import Pane, { Waits } from "../parts/Pane";
import { theme } from "../theme";
import type { StageNow } from "../told";
import "../styles/figures.css";

export default function Latency(props: { board: Board }) {
  const of = () => props.board.latency();
  const why = () => empty(of());
  const legend = <span>┃ p50 ┇ p99 │ budgets {BUDGETS_MS.join(" and ")} ms</span>;
  return (
    <Pane name="latency" title="Latency" unit="ms, last minute" legend={legend} board={props.board}>
      <Show when={of()} fallback={<Waits for="latencies" />}>
        {(now) => (
          <div class="latencies">
            <div class="stages" style={{ "--stages": now().stages.length }}>
              <div class="names">
                <Index each={now().stages}>{(stage) => <span>{stage().name}</span>}</Index>
              </div>
              <Strips board={props.board} />
              <Numbers of={now().stages} why={why()} />
            </div>
            <Show when={why() !== ""}>
              <p class="nothing">{sentence(why())}</p>
            </Show>
          </div>
        )}
      </Show>
    </Pane>
  );
}

function sentence(why: string): string {
  return `${why.charAt(0).toUpperCase()}${why.slice(1)}.`;
}

function Numbers(props: { of: readonly StageNow[]; why: string }) {
  const shown = (ms: number) => significant(ms, 3);
  const why = () => props.why || "none of the last minute passed here";
  return (
    <div class="numbers">
      <Index each={props.of}>
        {(stage) => (
          <span
            data-stage={stage().name}
            data-p50={stage().p50_ms ?? undefined}
            data-p99={stage().p99_ms ?? undefined}
            data-max={stage().max_ms ?? undefined}
          >
            <Known value={stage().p50_ms} format={shown} why={why()} />
            <Known value={stage().p99_ms} format={shown} why={why()} />
            <Known value={stage().max_ms} format={shown} why={why()} />
          </span>
        )}
      </Index>
      <span class="heads">
        <small>p50</small>
        <small>p99</small>
        <small>max</small>
      </span>
    </div>
  );
}

function Strips(props: { board: Board }) {
  let canvas!: HTMLCanvasElement;
  const [size, setSize] = createSignal({ width: 0, height: 0 });
  let axis: Axis | undefined;
  let ink = inks();
  let dressed = theme();

  onMount(() => {
    const sized = new ResizeObserver(() =>
      setSize({ width: canvas.clientWidth, height: canvas.clientHeight }),
    );
    sized.observe(canvas);
    onCleanup(() => sized.disconnect());
  });

  createEffect(() => {
    const now = props.board.latency();
    const { width, height } = size();
    const inked = theme();
    const pen = canvas.getContext("2d");
    if (now === undefined || pen === null || width === 0) return;
    const ratio = devicePixelRatio;
    if (
      canvas.width !== Math.round(width * ratio) ||
      canvas.height !== Math.round(height * ratio)
    ) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
    }
    if (axis?.width !== width || axis.edges.join() !== now.edges_ms.join())
      axis = new Axis(now.edges_ms, width);
    if (inked !== dressed) ink = inks();
    dressed = inked;
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    draw(pen, now, axis, { width, row: (height - AXIS) / now.stages.length }, ink);
  });

  return <canvas ref={canvas} role="img" aria-label="histograms of the stages" />;
}

function inks(): Ink {
  return {
    bar: colour("--flat"),
    total: colour("--accent"),
    line: colour("--rule"),
    text: colour("--faint"),
    p50: colour("--ink"),
    budget: colour("--down"),
    font: "10px system-ui, sans-serif",
  };
}
