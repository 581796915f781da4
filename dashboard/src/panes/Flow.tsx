// B: who pushes.

import { createSignal, For, Index } from "solid-js";
import type { Board } from "../board";
import { quantity, type TimeAxis } from "../draw/axis";
import { Bins, bars, type Lane, LEVELS, type Levels, steps } from "../draw/flow";
import { lines } from "../draw/grid";
import {
  GAP,
  HATCHES,
  type Hatch,
  Hatching,
  MISSING,
  NONE,
  type Patterns,
  SILENT,
  seen,
  WORDS,
} from "../draw/hatch";
import { hatches } from "../draw/marks";
import { valueAt } from "../draw/readout";
import { letters, type Surface } from "../draw/surface";
import { DASH, signed } from "../numbers";
import Pane from "../parts/Pane";
import Plot from "../parts/Plot";
import Swatch from "../parts/Swatch";
import { GRID_MS } from "../told";
import { IMBALANCE, OFI1, OFI5, OFI10 } from "../wire";

const MOST = 8192; // bins: pixels of the widest screen
const SHARES = [0.46, 0.3, 0.24] as const; // of the height: OFI, CVD, imbalance

const SHORT: Readonly<Record<Hatch, string>> = {
  [SILENT]: "silent",
  [GAP]: "broken",
  [NONE]: "no book yet",
  [MISSING]: "not received",
};

type Shown = Levels | "all";

class Drawing {
  readonly bins = new Bins(MOST);
  private readonly hatching = new Hatching();
  private patterns!: Patterns;
  private readonly lanes: Lane[] = SHARES.map(() => ({ top: 0, height: 1, low: -1, high: 1 }));

  paint(on: Surface, axis: TimeAxis, board: Board, shown: Shown): boolean {
    const { context, palette } = on;
    context.fillStyle = palette.ground;
    context.fillRect(0, 0, on.width, on.height);
    this.patterns = this.hatching.of(palette, on.ratio);
    if (board.columns.newest < 0) return false;
    this.bins.fill(board.columns, axis);
    this.lay(on, shown);
    lines(on, axis, board.hello()?.grid_ms ?? GRID_MS, 0, on.height);
    this.zeros(on, axis);
    this.values(on, axis, shown);
    hatches(on, axis, this.bins, this.patterns, 0, on.height);
    this.scales(on, axis, board.hello()?.instruments[board.watched()]?.lot ?? 1);
    return false;
  }

  private lay(on: Surface, shown: Shown): void {
    const { bins } = this;
    let top = 0;
    this.lanes.forEach((lane, k) => {
      const height = Math.round(SHARES[k]! * on.height);
      lane.top = top + 2 * on.ratio;
      lane.height = height - 4 * on.ratio;
      top += height;
    });
    const [ofi, cvd] = this.lanes;
    const all = () => Math.max(bins.reach(1), bins.reach(5), bins.reach(10));
    ofi!.high = (shown === "all" ? all() : bins.reach(shown)) || 1;
    ofi!.low = -ofi!.high;
    const some = bins.high > bins.low;
    cvd!.low = some ? bins.low : (Number.isFinite(bins.low) ? bins.low : 0) - 1;
    cvd!.high = some ? bins.high : cvd!.low + 2;
  }

  private zeros(on: Surface, axis: TimeAxis): void {
    const { context, palette, ratio } = on;
    context.fillStyle = palette.rule;
    for (const k of [0, 2]) {
      const lane = this.lanes[k]!;
      context.fillRect(0, Math.round(lane.top + lane.height / 2), axis.width, ratio);
    }
    for (const k of [1, 2]) {
      context.fillRect(0, Math.round(this.lanes[k]!.top - 2 * ratio), on.width, ratio);
    }
  }

  private values(on: Surface, axis: TimeAxis, shown: Shown): void {
    const { context, palette, ratio } = on;
    const { bins } = this;
    const [ofi, cvd, imbalance] = this.lanes;
    if (shown !== "all") bars(on, axis, axis.first, bins.ofi[shown], bins.many, ofi!);
    context.lineWidth = Math.max(Math.round(ratio), 1);
    if (shown === "all") {
      // From the nearest levels to all: brighter, and drawn later.
      for (const levels of [10, 5, 1] as const) {
        context.strokeStyle = this.line(on, levels);
        steps(on, axis, axis.first, bins.ofi[levels], bins.many, ofi!);
      }
    }
    context.strokeStyle = palette.ink;
    steps(on, axis, axis.first, bins.cvd, bins.many, cvd!);
    bars(on, axis, axis.first, bins.imbalance, bins.many, imbalance!);
  }

  line(on: Surface, levels: Levels): string {
    const { palette } = on;
    return levels === 1 ? palette.ink : levels === 5 ? palette.regimes[0]! : palette.faint;
  }

  private scales(on: Surface, axis: TimeAxis, lot: number): void {
    const { context, palette, ratio } = on;
    const [ofi, cvd, imbalance] = this.lanes;
    const start = this.bins.start();
    const x = axis.width + 6 * ratio;
    const edge = (lane: Lane, high: string, low: string, name: string) => {
      letters(on, 11, "left", palette.ink);
      context.fillText(name, x, lane.top + lane.height / 2);
      if (lane.height < 20 * ratio) return;
      letters(on, 10, "right", palette.faint);
      context.fillText(high, on.width - 4 * ratio, lane.top + 5 * ratio);
      context.fillText(low, on.width - 4 * ratio, lane.top + lane.height - 4 * ratio);
    };
    const size = (lots: number) => (Number.isFinite(lots) ? sign(lots * lot) : DASH);
    edge(ofi!, size(ofi!.high), size(ofi!.low), "OFI");
    edge(cvd!, size(this.bins.high - start), size(this.bins.low - start), "CVD");
    edge(imbalance!, "+1", "−1", "imbalance");
  }
}

export default function Flow(props: { board: Board }) {
  const board = props.board;
  const drawing = new Drawing();
  const [shown, setShown] = createSignal<Shown>(5);
  return (
    <Pane
      board={board}
      name="flow"
      title="Flow"
      unit={<Values board={board} shown={shown()} />}
      legend={<Legend shown={shown()} choose={setShown} />}
      flush
    >
      <Plot
        board={board}
        label="Order flow imbalance, cumulative volume delta and imbalance of the book by time"
        paint={(on, axis) => drawing.paint(on, axis, board, shown())}
        reads={shown}
      />
    </Pane>
  );
}

/** What flows under the cursor, else in the newest column in sight. */
function Values(props: { board: Board; shown: Shown }) {
  const board = props.board;
  const lot = () => board.hello()?.instruments[board.watched()]?.lot ?? 1;
  const values = () => valuesOf(board);
  const raw = () => JSON.stringify(values()); // what is not a number is null

  const texts = () => {
    const now = values();
    const size = (lots: number) => (Number.isFinite(lots) ? sign(lots * lot()) : DASH);
    const those = props.shown === "all" ? LEVELS : [props.shown];
    return [
      `OFI ${those.join("/")}: ${those.map((levels) => size(now[levels])).join(" / ")}`,
      `CVD ${size(now.cvd)}`,
      `imbalance ${signed(now.imbalance, 2)}`,
    ];
  };

  /** Why a number may be missing. */
  const why = () => WORDS[seen(board.columns, inSight(board))] ?? "";

  return (
    <span title={why()} data-raw={raw()}>
      <Index each={texts()}>{(text) => <span class="number figure">{text()}</span>}</Index>
    </span>
  );
}

/** Number of the column under the cursor, else of the newest in sight. */
function inSight(board: Board): number {
  board.revision();
  return board.view.cursor() ?? board.view.end() ?? board.columns.newest;
}

/** Lots; not a number where it is not known. */
function valuesOf(board: Board) {
  const number = inSight(board);
  const { columns } = board;
  const { ofi1, ofi5, ofi10, imbalance, cvd } = columns.fields;
  const place = columns.place(number);
  return {
    number,
    1: valueAt(columns, number, ofi1, OFI1),
    5: valueAt(columns, number, ofi5, OFI5),
    10: valueAt(columns, number, ofi10, OFI10),
    cvd: place < 0 ? Number.NaN : cvd[place]!,
    imbalance: valueAt(columns, number, imbalance, IMBALANCE),
  };
}

/** Which levels are shown, to choose from, and how what was not seen is hatched. */
function Legend(props: { shown: Shown; choose: (shown: Shown) => void }) {
  return (
    <>
      <fieldset aria-label="levels of the order flow imbalance">
        <For each={[...LEVELS, "all"] as const}>
          {(each) => (
            <button
              type="button"
              aria-pressed={props.shown === each}
              onClick={() => props.choose(each)}
            >
              {each}
            </button>
          )}
        </For>
      </fieldset>
      <For each={HATCHES}>
        {(hatch) => (
          <span title={WORDS[hatch]}>
            <Swatch hatch={hatch} />
            {SHORT[hatch]}
          </span>
        )}
      </For>
    </>
  );
}

/** With a sign also above 0: a direction is never a colour alone. */
function sign(size: number): string {
  const text = quantity(Math.abs(size));
  return size > 0 ? `+${text}` : size < 0 ? `−${text}` : text;
}
