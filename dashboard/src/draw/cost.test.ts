// What an arriving column costs without a screen: ten a second must leave nearly all of a frame.

import { expect, it } from "vitest";
import { createColumns } from "../columns";
import { PALETTES } from "../palette";
import { axisOf, recording } from "../testing/drawn";
import { encode } from "../testing/encode";
import { CELLS, createMarket } from "../testing/market";
import { KEPT } from "../told";
import { decode, MICRO, MID } from "../wire";
import { PriceAxis } from "./axis";
import { Bins } from "./flow";
import { Raster } from "./heat";
import { Dots, line } from "./marks";
import { Spans } from "./ribbons";

const ARRIVALS = 100;
const WIDTH = 700;
const ROWS = 512;
const LIMIT = 5; // milliseconds
const FIRST = 17_953_085_360; // numbers are as large as they are

/** A context that does nothing: what is measured is our own work. */
function blank(): CanvasRenderingContext2D {
  const nothing = () => {};
  const names = ["beginPath", "moveTo", "lineTo", "stroke", "fill", "arc", "closePath"];
  return Object.fromEntries(names.map((name) => [name, nothing])) as never;
}

it("takes a column in, with ten minutes in sight, in far less than a frame", () => {
  const columns = createColumns(KEPT, CELLS);
  const market = createMarket(5, FIRST);
  const take = (n: number) =>
    columns.put(decode(encode([market.next(n)], { cells: CELLS, bucket: market.bucket })));
  for (let k = 0; k < KEPT; k++) take(FIRST + k);
  const sheet = { pixels: new Uint32Array(ROWS), put: () => {} };
  const raster = new Raster(1024, sheet, new Uint32Array(257));
  const prices = Object.assign(new PriceAxis(), { centre: 40_000, ticks: 600, height: 300 });
  const [bins, spans, dots, context] = [new Bins(1024), new Spans(1024), new Dots(), blank()];
  const taken: number[] = [];
  for (let n = FIRST + KEPT; n < FIRST + KEPT + ARRIVALS; n++) {
    take(n);
    const start = performance.now();
    const axis = axisOf(n, KEPT, WIDTH);
    raster.lay(axis.per, 1, Math.round(40_000 / market.bucket) - ROWS / 2);
    raster.update(columns, axis, 1e9);
    line(context, columns, axis, prices, columns.fields.mid, MID, 1);
    line(context, columns, axis, prices, columns.fields.micro, MICRO, 1);
    if (n % 10 === 0) dots.survey(columns, axis);
    dots.take(columns, axis);
    for (const unseen of [false, true])
      dots.draw(context, axis, prices, PALETTES.dark, 8, 1, raster, unseen);
    bins.fill(columns, axis);
    spans.fill(columns, axis);
    taken.push(performance.now() - start);
  }
  // A quarter of them is undisturbed, however busy the machine.
  expect(taken.sort((a, b) => a - b)[ARRIVALS / 4]!).toBeLessThan(LIMIT);
});

it("draws a strip for a column that arrives, and no more", () => {
  const columns = createColumns(600, CELLS);
  const market = createMarket(6, 0);
  let strips = 0;
  const sheet = { pixels: new Uint32Array(ROWS), put: () => void strips++ };
  const raster = new Raster(1024, sheet, new Uint32Array(257));
  for (let n = 0; n < 500; n++) {
    columns.put(decode(encode([market.next(n)], { cells: CELLS, bucket: market.bucket })));
    raster.update(columns, axisOf(n, 300, WIDTH), 1e9);
  }
  expect(strips).toBe(500 + 299); // at first the columns before the first, which are not there
  expect(recording().calls).toEqual([]);
});
