// C: what regime, what was said, and when we were blind.

import { createMemo, For, Index } from "solid-js";
import type { Board } from "../board";
import type { TimeAxis } from "../draw/axis";
import { lines } from "../draw/grid";
import { Hatching, type Patterns, seen } from "../draw/hatch";
import { breaker, feed, feedWords, initials, regimes, Spans, signals } from "../draw/ribbons";
import { letters, type Surface } from "../draw/surface";
import { percent } from "../numbers";
import { PALETTES } from "../palette";
import Pane from "../parts/Pane";
import Plot from "../parts/Plot";
import { theme } from "../theme";
import { GRID_MS } from "../told";
import { ACT, BREAKER, NO_REGIME, SAID } from "../wire";

const MOST = 8192; // bins: pixels of the widest screen
const NAMES = ["regime", "signal", "breaker", "feed"] as const;
const SHARES = [0.24, 0.4, 0.16, 0.2] as const; // of the height

class Drawing {
  private readonly spans = new Spans(MOST);
  private readonly hatching = new Hatching();
  private patterns!: Patterns;

  paint(on: Surface, axis: TimeAxis, board: Board, letter: readonly string[]): boolean {
    const { context, palette, ratio } = on;
    const { spans } = this;
    context.fillStyle = palette.ground;
    context.fillRect(0, 0, on.width, on.height);
    this.patterns = this.hatching.of(palette, on.ratio);
    if (board.columns.newest < 0) return false;
    spans.fill(board.columns, axis);
    lines(on, axis, board.hello()?.grid_ms ?? GRID_MS, 0, on.height);
    let top = 0;
    NAMES.forEach((name, k) => {
      const height = Math.round(SHARES[k]! * on.height);
      const y = top + ratio;
      const tall = height - 2 * ratio;
      if (name === "regime") regimes(on, axis, spans, letter, y, tall, this.patterns);
      if (name === "signal") signals(on, axis, spans, y, tall, this.patterns);
      if (name === "breaker") breaker(on, axis, spans, y, tall, this.patterns);
      if (name === "feed") feed(on, axis, spans, y, tall, this.patterns);
      letters(on, 11, "left", palette.faint);
      const none = name === "regime" && letter.length === 0;
      context.fillText(none ? "no regimes told" : name, axis.width + 6 * ratio, y + tall / 2);
      top += height;
    });
    return false;
  }
}

export default function Ribbons(props: { board: Board }) {
  const board = props.board;
  const drawing = new Drawing();
  const names = () => board.hello()?.regimes ?? [];
  const letter = createMemo(() => initials(names()));

  return (
    <Pane
      board={board}
      name="ribbons"
      title="Signals"
      unit={
        <Index each={said(board)}>{(text) => <span class="number figure">{text()}</span>}</Index>
      }
      legend={
        <>
          <For each={names()}>
            {(name, k) => (
              <span>
                <i
                  class="swatch"
                  style={{ background: PALETTES[theme()].regimes[k() % 6] ?? "none" }}
                />
                {letter()[k()]} {name}
              </span>
            )}
          </For>
          <span title="Height is confidence; filled: acted on, outlined: not">
            ■ acted on □ not
          </span>
          <span>
            <span style={{ color: PALETTES[theme()].swap }}>│</span> model swapped
          </span>
        </>
      }
      flush
    >
      <Plot
        board={board}
        label="Regime, signal, breaker and feed by time"
        paint={(on, axis) => drawing.paint(on, axis, board, letter())}
        reads={letter}
      />
    </Pane>
  );
}

const WAYS: Readonly<Record<number, string>> = { 1: "▲ up", 0: "■ neutral", [-1]: "▼ down" };

/** What was said of the column under the cursor, or the newest, in words. */
function said(board: Board): string[] {
  board.revision();
  const number = board.view.cursor() ?? board.view.end() ?? board.columns.newest;
  if (number < 0) return [];
  const { columns } = board;
  const { known, direction, confidence, regime, likely, marks } = columns.fields;
  const place = columns.place(number);
  const feeds = `feed ${feedWords[seen(columns, number)]}`;
  if (place < 0) return [feeds];
  const out: string[] = [];
  if ((known[place]! & SAID) === 0) out.push("nothing said yet");
  else {
    const way = direction[place]!;
    const sure = way === 0 ? "" : ` ${percent(confidence[place]! / 255)}`;
    const acts = marks[place]! & ACT ? " acted on" : way === 0 ? "" : " not acted on";
    out.push(`${WAYS[way]}${sure}${acts}`);
    const which = regime[place]!;
    if (which !== NO_REGIME)
      out.push(
        `${board.hello()?.regimes[which] ?? `regime ${which}`} ${percent(likely[place]! / 255)}`,
      );
  }
  if (marks[place]! & BREAKER) out.push("breaker open");
  out.push(feeds);
  return out;
}
