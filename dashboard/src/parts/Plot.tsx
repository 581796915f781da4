// A canvas on the time axis that panes A to C share: its cursor, scrolling and zoom.

import { createEffect, onCleanup, onMount, Show } from "solid-js";
import type { Board } from "../board";
import { GUTTER, TimeAxis } from "../draw/axis";
import { type Painter, type Surface, surface } from "../draw/surface";
import { theme } from "../theme";
import { zone } from "../time";
import "../styles/plot.css";

const ZOOM = 1.25; // of one notch of the wheel
const STILL = 3; // CSS pixels that are no drag in time,
const STEADY = 12; // and in price, which is seldom meant

export interface Point {
  /** CSS pixels in the plot. */
  readonly y: number;
  readonly height: number;
}

export default function Plot(props: {
  board: Board;
  /** What it shows, for who does not see it. */
  label: string;
  /** Draws; -> whether another frame is needed. Signals that it reads are named in `reads`. */
  paint: (on: Surface, axis: TimeAxis) => boolean;
  reads?: () => unknown;
  /** CSS pixels from the top of a level line of the cursor. */
  level?: number | undefined;
  onPoint?: (at: Point | null) => void;
  onLift?: (share: number) => void;
  onWheel?: (event: WheelEvent) => boolean;
  onKey?: (event: KeyboardEvent) => boolean;
}) {
  let canvas!: HTMLCanvasElement;
  let painter: Painter | undefined;
  const axis = new TimeAxis();
  const view = () => props.board.view;
  const width = () => Math.max(canvas.clientWidth - GUTTER, 1);
  let over: number | undefined; // CSS pixels from the left

  onMount(() => {
    painter = surface(canvas, theme(), (on) => {
      const end = view().end() ?? props.board.columns.newest;
      axis.set(end, view().span(), Math.max(on.width - Math.round(GUTTER * on.ratio), 1));
      // A pointer that rests is over another column once columns have moved.
      if (over !== undefined) view().point(axis.at((over * axis.width) / width()));
      return props.paint(on, axis);
    });
    createEffect(() => painter?.recolour(theme()));
    createEffect(() => {
      props.board.revision();
      view().span();
      view().end();
      zone();
      props.reads?.();
      painter?.dirty();
    });
    onCleanup(() => painter?.stop());
  });

  let from: { x: number; y: number; end: number; across: boolean; along: boolean } | undefined;

  function down(event: PointerEvent): void {
    if (event.button !== 0 || event.offsetX > width()) return;
    const end = view().end() ?? props.board.columns.newest;
    from = { x: event.clientX, y: event.clientY, end, across: false, along: false };
    canvas.setPointerCapture(event.pointerId);
  }

  function move(event: PointerEvent): void {
    const inside = event.offsetX >= 0 && event.offsetX <= width();
    if (!from) {
      over = inside ? event.offsetX : undefined;
      view().point(inside ? axis.at((event.offsetX * axis.width) / width()) : null);
      props.onPoint?.({ y: event.offsetY, height: canvas.clientHeight });
      return;
    }
    const dx = event.clientX - from.x;
    const dy = event.clientY - from.y;
    from.along ||= Math.abs(dx) > STILL;
    from.across ||= Math.abs(dy) > STEADY;
    if (from.along) scrub(props.board, from.end - (dx * view().span()) / width());
    if (!from.across) return;
    props.onLift?.(dy / canvas.clientHeight);
    from.y = event.clientY;
  }

  function leave(): void {
    if (from) return;
    over = undefined;
    view().point(null);
    props.onPoint?.(null);
  }

  function wheel(event: WheelEvent): void {
    event.preventDefault();
    if (props.onWheel?.(event)) return;
    const by = event.deltaY || event.deltaX;
    if (by !== 0) view().setSpan(view().span() * (by > 0 ? ZOOM : 1 / ZOOM));
  }

  function key(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (!props.onKey?.(event) && !walk(props.board, axis, event)) return;
    event.preventDefault();
    if (event.shiftKey) over = undefined; // the cursor is where the keys took it
  }

  /** CSS pixels of the middle of the column under the cursor. */
  const cursor = () => {
    const number = view().cursor();
    props.board.revision();
    const end = view().end() ?? props.board.columns.newest;
    if (number === null || number > end || number <= end - view().span()) return undefined;
    return (number - (end - view().span() + 1) + 0.5) / view().span();
  };

  return (
    <div class="plot">
      <canvas
        ref={canvas}
        tabindex="0"
        role="img"
        aria-label={props.label}
        onPointerDown={down}
        onPointerMove={move}
        onPointerUp={() => (from = undefined)}
        onPointerCancel={() => (from = undefined)}
        onPointerLeave={leave}
        onWheel={wheel}
        onKeyDown={key}
      />
      <Show when={cursor() !== undefined}>
        <i
          class="cursor"
          style={{ left: `calc(${cursor()} * (100% - ${GUTTER}px))` }}
          aria-hidden="true"
        />
      </Show>
      <Show when={props.level !== undefined}>
        <i
          class="level"
          style={{ top: `${props.level}px`, right: `${GUTTER}px` }}
          aria-hidden="true"
        />
      </Show>
    </div>
  );
}

/** Shows the time up to `end`; at the newest it follows. */
export function scrub(board: Board, end: number): void {
  const { newest, size } = board.columns;
  if (newest < 0) return;
  const span = board.view.span();
  const first = Math.min(newest - size + span, newest);
  const to = Math.max(Math.round(end), first);
  board.view.freeze(to >= newest ? null : to);
}

/** With the shift key the arrows move the cursor, by pixels of the plot, and scroll at its edges. */
function walk(board: Board, axis: TimeAxis, event: KeyboardEvent): boolean {
  const { view } = board;
  if (event.key === "Escape") {
    view.point(null);
    return true;
  }
  const way = event.key === "ArrowLeft" ? -1 : event.key === "ArrowRight" ? 1 : 0;
  if (!event.shiftKey || way === 0 || board.columns.newest < 0) return false;
  const end = view.end() ?? board.columns.newest;
  const next = (view.cursor() ?? end) + way * axis.per;
  if (next < end - view.span() + 1) scrub(board, end - axis.per);
  else if (next > end) scrub(board, end + axis.per);
  const now = view.end() ?? board.columns.newest;
  view.point(Math.min(Math.max(next, now - view.span() + 1), now));
  return true;
}
