// A: where liquidity rests, and what was traded.

import { createEffect, createMemo, createSignal, Index, on, Show } from "solid-js";
import type { Board } from "../board";
import { digits, quantity, type TimeAxis } from "../draw/axis";
import { lots } from "../draw/heat";
import { FOOT, Picture } from "../draw/picture";
import { lotsAt, sideAt, stateAt } from "../draw/readout";
import type { Surface } from "../draw/surface";
import { duration } from "../numbers";
import { gradient, PALETTES } from "../palette";
import Pane from "../parts/Pane";
import Plot, { type Point } from "../parts/Plot";
import { theme } from "../theme";
import { clock, ofColumn, zone } from "../time";
import { GRID_MS } from "../told";

const UPPER = 0.99; // quantile of the strongest colour, at first
const CLOSER = 1.25;
const PART = 10; // of the prices in sight that one press moves through

export default function Heat(props: { board: Board }) {
  const board = props.board;
  const picture = new Picture();
  const [upper, setUpper] = createSignal(UPPER);
  const [follow, setFollow] = createSignal(true);
  const [scale, setScale] = createSignal({ low: 0, high: 0, least: 0 });
  const [price, setPrice] = createSignal<number | undefined>(); // ticks, under the cursor
  let pointed: Point | null = null;
  const [moved, setMoved] = createSignal(0); // rises when prices were moved or zoomed
  const one = () => board.hello()?.instruments[board.watched()];
  const tick = () => one()?.tick ?? 1;
  const gridMs = () => board.hello()?.grid_ms ?? GRID_MS;

  createEffect(on(board.watched, () => picture.reset(), { defer: true }));

  function paint(surface: Surface, axis: TimeAxis): boolean {
    const scene = { columns: board.columns, axis, book: board.book(), tick: tick() };
    const more = picture.paint(surface, {
      ...scene,
      ...{ gridMs: gridMs(), upper: upper(), follow: follow() },
    });
    const { low, high, dots } = picture;
    const old = scale();
    if (pointed) point(pointed); // a pointer that rests is at another price once prices have moved
    if (old.low !== low || old.high !== high || old.least !== dots.least)
      setScale({ low, high, least: dots.least });
    return more;
  }

  /** Prices move by hand until `live` or `c` lets them follow again. */
  function lift(share: number): void {
    if (share === 0) return;
    setFollow(false);
    picture.prices.centre += share * picture.prices.ticks;
    setMoved((n) => n + 1);
  }

  function zoom(by: number): void {
    picture.zoom = Math.min(Math.max(picture.zoom * by, 0.02), 4);
    setMoved((n) => n + 1);
  }

  function live(): void {
    setFollow(true);
    picture.centre();
    board.view.freeze(null);
    setMoved((n) => n + 1);
  }

  function point(at: Point | null): void {
    const { prices } = picture;
    pointed = at;
    const y = at ? (at.y * prices.height) / Math.max(at.height - FOOT, 1) : -1;
    setPrice(at && y <= prices.height ? prices.at(y) : undefined);
  }

  function key(event: KeyboardEvent): boolean {
    const way = event.key === "ArrowUp" ? 1 : event.key === "ArrowDown" ? -1 : 0;
    const { prices } = picture;
    if (way !== 0 && event.shiftKey) {
      pointed = null;
      const step = Math.max(board.columns.bucket, prices.ticks / prices.height);
      setPrice((old) => (old ?? prices.centre) + way * step);
    } else if (way !== 0) lift(way / PART);
    else if (event.key === "PageUp") zoom(1 / CLOSER);
    else if (event.key === "PageDown") zoom(CLOSER);
    else if (event.key === "c") live();
    else if (event.key === "Escape") setPrice(undefined);
    else return false;
    return event.key !== "Escape";
  }

  function wheel(event: WheelEvent): boolean {
    if (!event.shiftKey) return false;
    const by = event.deltaY || event.deltaX;
    if (by !== 0) zoom(by > 0 ? CLOSER : 1 / CLOSER);
    return true;
  }

  const level = () => {
    moved();
    board.revision();
    const at = price();
    if (at === undefined) return undefined;
    const { prices } = picture;
    const y = prices.y(at) / (window.devicePixelRatio || 1);
    return y >= 0 && prices.y(at) <= prices.height ? y : undefined;
  };

  return (
    <Pane
      board={board}
      name="heat"
      title="Book"
      unit={<Unit board={board} />}
      legend={<Legend board={board} scale={scale()} upper={upper()} setUpper={setUpper} />}
      flush
    >
      <Plot
        board={board}
        label="Book by time and price; arrows with shift move the cursor, page up and down zoom prices, c follows the price"
        paint={paint}
        reads={() => [board.book(), upper(), follow(), moved(), one()]}
        level={level()}
        onPoint={point}
        onLift={lift}
        onWheel={wheel}
        onKey={key}
      />
      <Readout board={board} price={price()} tick={tick()} gridMs={gridMs()} />
      <Show when={board.view.end() !== null || !follow()}>
        <button type="button" class="live" onClick={live}>
          {board.view.end() === null ? "follow the price (c)" : "live (c)"}
        </button>
      </Show>
    </Pane>
  );
}

function Unit(props: { board: Board }) {
  const one = () => props.board.hello()?.instruments[props.board.watched()];
  const cell = () => {
    props.board.revision();
    const { bucket } = props.board.columns;
    const tick = one()?.tick;
    if (!bucket || !tick) return "";
    return `resting size per ${(bucket * tick).toFixed(digits(bucket * tick))}`;
  };
  return <>{cell()}</>;
}

function Legend(props: {
  board: Board;
  scale: { low: number; high: number; least: number };
  upper: number;
  setUpper: (share: number) => void;
}) {
  const lot = () => props.board.hello()?.instruments[props.board.watched()]?.lot ?? 1;
  const size = (byte: number) => quantity(lots(byte) * lot());
  return (
    <>
      <span class="scale" title="Colours saturate above this share of the sizes in sight">
        {size(props.scale.low)}
        <i class="ramp" style={{ background: gradient(PALETTES[theme()]) }} />
        {size(props.scale.high)}
        <input
          type="range"
          min="0.8"
          max="1"
          step="0.005"
          value={props.upper}
          aria-label="share of sizes below the strongest colour"
          onInput={(event) => props.setUpper(Number(event.currentTarget.value))}
        />
      </span>
      <span title="Trades by who was the aggressor; area is size">
        <span style={{ color: "var(--up)" }}>▲</span> bought{" "}
        <span style={{ color: "var(--down)" }}>▼</span> sold ○ unknown
        <Show when={props.scale.least > 0}>, those ≥ {quantity(props.scale.least * lot())}</Show>
      </span>
      <span title="Prices further away than the server looks">
        <i class="swatch" style={{ background: PALETTES[theme()].outside }} />
        beyond
      </span>
      <span>
        <span style={{ color: PALETTES[theme()].mid }}>—</span> mid{" "}
        <span style={{ color: PALETTES[theme()].micro }}>—</span> micro
      </span>
    </>
  );
}

/** Time, price, size, age and state of what is under the cursor; in words for who does not see it. */
function Readout(props: { board: Board; price: number | undefined; tick: number; gridMs: number }) {
  const board = props.board;
  const lot = () => board.hello()?.instruments[board.watched()]?.lot ?? 1;
  const texts = createMemo(() => {
    board.revision();
    const number = board.view.cursor();
    if (number === null) return [];
    const { columns } = board;
    const out = [`${clock(ofColumn(number, props.gridMs), true)} ${zone()}`];
    const { price } = props;
    if (price !== undefined) {
      const row = Math.floor(price);
      const size = lotsAt(columns, number, price);
      const known = Number.isFinite(size);
      const side = known && size > 0 ? ` ${sideAt(columns, number, price)}` : "";
      out.push((row * props.tick).toFixed(digits(props.tick)));
      out.push(known ? `${size > 0 ? "≈ " : ""}${quantity(size * lot())}${side}` : "size –");
    }
    out.push(`${duration((columns.newest - number) * props.gridMs)} ago`);
    out.push(stateAt(columns, number));
    return out;
  });
  return (
    <div class="readout">
      <Index each={texts()}>{(text) => <span class="number">{text()}</span>}</Index>
    </div>
  );
}
