// A canvas on the time axis that panes A to C share: its cursor, scrolling and zoom.

import { createEffect, onCleanup, onMount, Show } from "solid-js";
import type { Board } from "../board";
import { GUTTER, TimeAxis } from "../draw/axis";
import { type Surface, surface } from "../draw/surface";
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

export interface PlotProps {
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
}

export default function Plot(props: PlotProps) {
  let canvas!: HTMLCanvasElement;
  const axis = new TimeAxis();
  const hand = createHand(props, axis, () => canvas);

  onMount(() => repaint(props, axis, canvas, hand.point));

  function wheel(event: WheelEvent): void {
    event.preventDefault();
    if (props.onWheel?.(event)) return;
    const { view } = props.board;
    const by = event.deltaY || event.deltaX;
    if (by !== 0) view.setSpan(view.span() * (by > 0 ? ZOOM : 1 / ZOOM));
  }

  function key(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (!props.onKey?.(event) && !walk(props.board, axis, event)) return;
    event.preventDefault();
    if (event.shiftKey) hand.forget(); // the cursor is where the keys took it
  }

  return (
    <div class="plot">
      <canvas
        ref={canvas}
        tabindex="0"
        role="img"
        aria-label={props.label}
        onPointerDown={hand.down}
        onPointerMove={hand.move}
        onPointerUp={hand.up}
        onPointerCancel={hand.up}
        onPointerLeave={hand.leave}
        onWheel={wheel}
        onKeyDown={key}
      />
      <Cross board={props.board} level={props.level} />
    </div>
  );
}

/** Draws whenever what is drawn has changed; point: after the axis was set, before it is drawn. */
function repaint(
  props: PlotProps,
  axis: TimeAxis,
  canvas: HTMLCanvasElement,
  point: () => void,
): void {
  const view = () => props.board.view;
  const painter = surface(canvas, theme(), (on) => {
    const end = view().end() ?? props.board.columns.newest;
    axis.set(end, view().span(), Math.max(on.width - Math.round(GUTTER * on.ratio), 1));
    point();
    return props.paint(on, axis);
  });
  createEffect(() => painter.recolour(theme()));
  createEffect(() => {
    props.board.revision();
    view().span();
    view().end();
    zone();
    props.reads?.();
    painter.dirty();
  });
  onCleanup(painter.stop);
}

/** The cursor in time and, where a pane has one, in price. */
function Cross(props: { board: Board; level: number | undefined }) {
  /** Share of the width at which the middle of the column under the cursor lies. */
  const cursor = () => {
    const { view, columns } = props.board;
    const number = view.cursor();
    props.board.revision();
    const end = view.end() ?? columns.newest;
    if (number === null || number > end || number <= end - view.span()) return undefined;
    return (number - (end - view.span() + 1) + 0.5) / view.span();
  };
  return (
    <>
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
    </>
  );
}

/** A pointer: it points; pressed, it drags time and, where a pane lets it, prices. */
function createHand(props: PlotProps, axis: TimeAxis, canvas: () => HTMLCanvasElement) {
  let over: number | undefined; // CSS pixels from the left
  let from: { x: number; y: number; end: number; across: boolean; along: boolean } | undefined;
  const view = () => props.board.view;
  const width = () => Math.max(canvas().clientWidth - GUTTER, 1);
  const at = (x: number) => axis.at((x * axis.width) / width());

  function down(event: PointerEvent): void {
    if (event.button !== 0 || event.offsetX > width()) return;
    const end = view().end() ?? props.board.columns.newest;
    from = { x: event.clientX, y: event.clientY, end, across: false, along: false };
    canvas().setPointerCapture(event.pointerId);
  }

  function move(event: PointerEvent): void {
    if (from) {
      drag(event, from);
      return;
    }
    const inside = event.offsetX >= 0 && event.offsetX <= width();
    over = inside ? event.offsetX : undefined;
    view().point(inside ? at(event.offsetX) : null);
    props.onPoint?.({ y: event.offsetY, height: canvas().clientHeight });
  }

  function drag(event: PointerEvent, start: NonNullable<typeof from>): void {
    const dx = event.clientX - start.x;
    const dy = event.clientY - start.y;
    start.along ||= Math.abs(dx) > STILL;
    start.across ||= Math.abs(dy) > STEADY;
    if (start.along) scrub(props.board, start.end - (dx * view().span()) / width());
    if (!start.across) return;
    props.onLift?.(dy / canvas().clientHeight);
    start.y = event.clientY;
  }

  function up(): void {
    from = undefined;
  }

  function leave(): void {
    if (from) return;
    forget();
    view().point(null);
    props.onPoint?.(null);
  }

  function forget(): void {
    over = undefined;
  }

  /** A pointer that rests is over another column once columns have moved. */
  function point(): void {
    if (over !== undefined) view().point(at(over));
  }

  return { down, move, up, leave, forget, point };
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
