// The prices in sight: moved and zoomed by hand until they follow again, and the one under the cursor.

import { type Accessor, createSignal } from "solid-js";
import type { Board } from "../../board";
import { FOOT, type Picture } from "../../draw/picture";
import type { Point } from "../../parts/Plot";

const CLOSER = 1.25;
const PART = 10; // of the prices in sight that one press moves through

export interface Prices {
  /** Whether the picture moves after the price. */
  readonly follow: Accessor<boolean>;
  /** Rises when prices were moved or zoomed. */
  readonly moved: Accessor<number>;
  /** Ticks, under the cursor. */
  readonly price: Accessor<number | undefined>;
  /** CSS pixels from the top at which that price lies; undefined: it is not in sight. */
  level(): number | undefined;
  /** A pointer that rests is at another price once prices have moved. */
  rest(): void;
  point(at: Point | null): void;
  lift(share: number): void;
  live(): void;
  wheel(event: WheelEvent): boolean;
  key(event: KeyboardEvent): boolean;
}

export function createPrices(board: Board, picture: Picture): Prices {
  const { follow, moved, lift, zoom, live } = createRange(board, picture);
  const { price, level, rest, point, step, forget } = createCursor(board, picture, moved);

  function key(event: KeyboardEvent): boolean {
    const way = event.key === "ArrowUp" ? 1 : event.key === "ArrowDown" ? -1 : 0;
    if (way !== 0 && event.shiftKey) step(way);
    else if (way !== 0) lift(way / PART);
    else if (event.key === "PageUp") zoom(1 / CLOSER);
    else if (event.key === "PageDown") zoom(CLOSER);
    else if (event.key === "c") live();
    else if (event.key === "Escape") forget();
    else return false;
    return event.key !== "Escape";
  }

  function wheel(event: WheelEvent): boolean {
    if (!event.shiftKey) return false;
    const by = event.deltaY || event.deltaX;
    if (by !== 0) zoom(by > 0 ? CLOSER : 1 / CLOSER);
    return true;
  }

  return { follow, moved, price, level, rest, point, lift, live, wheel, key };
}

/** Which prices are in sight. */
function createRange(board: Board, picture: Picture) {
  const [follow, setFollow] = createSignal(true);
  const [moved, setMoved] = createSignal(0);
  const move = () => setMoved((n) => n + 1);

  /** Prices move by hand until `live` or `c` lets them follow again. */
  function lift(share: number): void {
    if (share === 0) return;
    setFollow(false);
    picture.prices.centre += share * picture.prices.ticks;
    move();
  }

  function zoom(by: number): void {
    picture.zoom = Math.min(Math.max(picture.zoom * by, 0.02), 4);
    move();
  }

  function live(): void {
    setFollow(true);
    picture.centre();
    board.view.freeze(null);
    move();
  }

  return { follow, moved, lift, zoom, live };
}

/** The price under the pointer, or where the keys took it. */
function createCursor(board: Board, picture: Picture, moved: Accessor<number>) {
  const { prices } = picture;
  const [price, setPrice] = createSignal<number | undefined>();
  let pointed: Point | null = null;

  function point(at: Point | null): void {
    pointed = at;
    const y = at ? (at.y * prices.height) / Math.max(at.height - FOOT, 1) : -1;
    setPrice(at && y <= prices.height ? prices.at(y) : undefined);
  }

  function rest(): void {
    if (pointed) point(pointed);
  }

  function step(way: number): void {
    pointed = null;
    const by = Math.max(board.columns.bucket, prices.ticks / prices.height);
    setPrice((old) => (old ?? prices.centre) + way * by);
  }

  const level = () => {
    moved();
    board.revision();
    const at = price();
    if (at === undefined) return undefined;
    const y = prices.y(at) / (window.devicePixelRatio || 1);
    return y >= 0 && prices.y(at) <= prices.height ? y : undefined;
  };

  return { price, level, rest, point, step, forget: () => setPrice(undefined) };
}
