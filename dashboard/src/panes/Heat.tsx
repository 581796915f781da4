// A: where liquidity rests, and what was traded.

import { createEffect, createMemo, createSignal, Index, on, Show } from "solid-js";
import type { Board } from "../board";
import { digits, quantity, type TimeAxis } from "../draw/axis";
import { lots } from "../draw/heat";
import { Picture } from "../draw/picture";
import { lotsAt, sideAt, stateAt } from "../draw/readout";
import type { Surface } from "../draw/surface";
import { duration } from "../numbers";
import { gradient, PALETTES } from "../palette";
import Pane from "../parts/Pane";
import Plot from "../parts/Plot";
import { theme } from "../theme";
import { clock, ofColumn, zone } from "../time";
import { GRID_MS } from "../told";
import { createPrices } from "./heat/prices";

const UPPER = 0.99; // quantile of the strongest colour, at first

export default function Heat(props: { board: Board }) {
  const board = props.board;
  const picture = new Picture();
  const [upper, setUpper] = createSignal(UPPER);
  const [scale, setScale] = createSignal({ low: 0, high: 0, least: 0 });
  const prices = createPrices(board, picture);
  const one = () => board.hello()?.instruments[board.watched()];
  const tick = () => one()?.tick ?? 1;
  const gridMs = () => board.hello()?.grid_ms ?? GRID_MS;

  createEffect(on(board.watched, () => picture.reset(), { defer: true }));

  function paint(surface: Surface, axis: TimeAxis): boolean {
    const scene = { columns: board.columns, axis, book: board.book(), tick: tick() };
    const more = picture.paint(surface, {
      ...scene,
      ...{ gridMs: gridMs(), upper: upper(), follow: prices.follow() },
    });
    const { low, high, dots } = picture;
    const old = scale();
    prices.rest();
    if (old.low !== low || old.high !== high || old.least !== dots.least)
      setScale({ low, high, least: dots.least });
    return more;
  }

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
        reads={() => [board.book(), upper(), prices.follow(), prices.moved(), one()]}
        level={prices.level()}
        onPoint={prices.point}
        onLift={prices.lift}
        onWheel={prices.wheel}
        onKey={prices.key}
      />
      <Readout board={board} price={prices.price()} tick={tick()} gridMs={gridMs()} />
      <Show when={board.view.end() !== null || !prices.follow()}>
        <button type="button" class="live" onClick={prices.live}>
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
