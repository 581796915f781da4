// Pane A as a whole: the picture of the book, what lies on it, its axes and the book as it is now.

import type { Columns } from "../columns";
import { channels, type Palette, pixel, table } from "../palette";
import type { BookNow } from "../told";
import { MICRO, MID } from "../wire";
import { PriceAxis, type TimeAxis } from "./axis";
import { times } from "./grid";
import { Hatching, type Patterns } from "./hatch";
import { copy, extent, histogram, quantile, Raster, type Sheet } from "./heat";
import { ladder, prices } from "./ladder";
import { Dots, hatches, line } from "./marks";
import { lastKnown } from "./readout";
import { letters, type Surface } from "./surface";

/** CSS pixels of the times under the picture. */
export const FOOT = 16;
const BUDGET = 400_000; // cells a frame: about 2 ms
const SURVEY = 10; // columns between two looks at the scale of colours
const LOOK = 1_500; // columns that such a look reads
const STICKY = 3; // steps that the scale must be off before it moves
const LEAST = 0.1; // quantile of the palest size
const ROOM = 1.2; // rows that are shown for one in which something rests
const LEAST_ROWS = 40;
const DOT = 6.5; // CSS pixels: radius of the largest trade

export interface Scene {
  readonly columns: Columns;
  readonly axis: TimeAxis;
  readonly book: BookNow | undefined;
  readonly tick: number;
  readonly gridMs: number;
  /** Quantile of sizes that has the strongest colour. */
  readonly upper: number;
  /** Whether the picture moves after the price. */
  readonly follow: boolean;
}

interface Store {
  readonly canvas: HTMLCanvasElement;
  readonly raster: Raster;
}

export class Picture {
  readonly prices = new PriceAxis();
  readonly dots = new Dots();
  /** Bytes of the palest and the strongest colour. */
  low = 0;
  high = 255;
  /** Rows that are shown, times what fits best. */
  zoom = 1;
  private readonly ink = new Uint32Array(257);
  private readonly counts = new Uint32Array(256);
  private store: Store | undefined;
  private readonly hatching = new Hatching();
  private patterns!: Patterns;
  private palette: Palette | undefined; // of the colours that are drawn
  private surveyed = -1; // column; -1: never
  private each = 1; // device pixels of a row
  private height = 0; // for which that was found
  private looked = -1; // at what rests in sight: as `surveyed`
  private filled = 0; // as the raster has it
  private span = 0;
  private upper = 0;
  private newest = -1;
  private moving = false; // to the price that left the middle half

  /** Of another instrument, or from the start: nothing that was drawn is of use. */
  reset(): void {
    this.store?.raster.forget();
    this.surveyed = -1;
    this.newest = -1;
  }

  /** To the price, wherever it is. */
  centre(): void {
    this.moving = true;
  }

  /** -> whether another frame is needed. */
  paint(on: Surface, scene: Scene): boolean {
    const { columns, axis } = scene;
    on.context.fillStyle = on.palette.ground;
    on.context.fillRect(0, 0, on.width, on.height);
    if (columns.bucket === 0 || columns.newest < 0) return false;
    const { raster, canvas } = this.prepare(on, scene);
    this.place(on, scene);
    this.scale(on, scene, raster);
    const done = this.draw(raster, scene);
    this.show(on, scene, raster, canvas);
    times(on, axis, scene.gridMs, this.prices.height, on.height - this.prices.height);
    prices(on, scene.book, this.prices, scene.tick, axis.width);
    this.foot(on, axis);
    if (scene.book) ladder(on, scene.book, this.prices, scene.tick, axis.width, this.patterns);
    return this.moving || !done;
  }

  /** Whatever time is shown, the book beside it is that of now. */
  private foot(on: Surface, axis: TimeAxis): void {
    letters(on, 11, "right", on.palette.faint);
    const y = (on.height + this.prices.height) / 2;
    on.context.fillText("book now", Math.max(on.width - 4 * on.ratio, axis.width), y);
  }

  /** Patterns, colours and canvas, where the theme or the size is another. */
  private prepare(on: Surface, { axis, columns }: Scene): Store {
    if (columns.newest < this.newest) this.reset();
    this.newest = columns.newest;
    const rows = 2 ** Math.ceil(Math.log2(1.5 * on.height));
    if (this.store?.raster.rows !== rows || this.store.raster.size < axis.width + 2)
      this.store = open(Math.ceil(axis.width) + 64, rows, this.ink);
    this.patterns = this.hatching.of(on.palette, on.ratio);
    if (on.palette !== this.palette) {
      this.palette = on.palette;
      this.ink[256] = pixel(channels(on.palette.outside));
      table(on.palette, this.low, this.high, this.ink);
      this.store.raster.recolour();
    }
    return this.store;
  }

  /** The prices that are shown: they stay until the mid has left their middle half. */
  private place(on: Surface, scene: Scene): void {
    const { columns, axis, follow } = scene;
    const height = Math.max(Math.round(on.height - FOOT * on.ratio), 1);
    if (this.surveyed < 0 || this.looked !== this.surveyed) this.fit(scene, height);
    const each = this.each;
    this.prices.height = height;
    this.prices.ticks = (height / each) * columns.bucket * this.zoom;
    const at = lastKnown(columns, axis.end, MID, axis.span);
    if (at < 0) {
      this.moving = false;
      return;
    }
    const mid = columns.fields.mid[at]!;
    if (this.surveyed < 0) this.prices.centre = mid;
    if (follow && !this.prices.within(mid)) this.moving = true;
    if (this.moving) this.moving = !this.prices.towards(mid);
  }

  /** Whole pixels for each row, so that what rests in sight fits; not changed for little. */
  private fit({ columns, axis }: Scene, height: number): void {
    this.looked = this.surveyed;
    const rows = extent(columns, axis) || columns.cells;
    const most = Math.max(Math.round(height / columns.cells), 1);
    const fits = Math.max(Math.floor(height / Math.max(ROOM * rows, LEAST_ROWS)), most);
    const first = this.surveyed < 0;
    if (first || fits < this.each || fits > 2 * this.each || this.height !== height)
      this.each = fits;
    this.height = height;
  }

  /** The scale of colours, of what is in sight; it moves seldom, for all is drawn again then. */
  private scale(on: Surface, { columns, axis, upper }: Scene, raster: Raster): void {
    const forced = this.surveyed < 0 || axis.span !== this.span || upper !== this.upper;
    const old = Math.abs(axis.end - this.surveyed) >= SURVEY || raster.filled !== this.filled;
    if (!forced && !old) return;
    this.filled = raster.filled;
    this.surveyed = axis.end;
    this.span = axis.span;
    this.upper = upper;
    this.dots.survey(columns, axis);
    histogram(columns, axis, LOOK, this.counts);
    const low = quantile(this.counts, LEAST);
    const high = Math.max(quantile(this.counts, upper), low + 1);
    const off = Math.max(Math.abs(low - this.low), Math.abs(high - this.high));
    if (off === 0 || (!forced && off < STICKY)) return;
    this.low = low;
    this.high = high;
    table(on.palette, low, high, this.ink);
    raster.recolour();
  }

  private draw(raster: Raster, { columns, axis }: Scene): boolean {
    const shown = this.prices.ticks / columns.bucket;
    const tall = Math.max(Math.ceil(shown / this.prices.height - 1e-9), 1);
    const lowest = this.prices.at(this.prices.height) / columns.bucket / tall;
    const highest = this.prices.at(0) / columns.bucket / tall;
    const fits =
      raster.tall === tall && lowest >= raster.bottom && highest <= raster.bottom + raster.rows;
    const middle = Math.round((lowest + highest - raster.rows) / 2);
    raster.lay(axis.per, tall, fits ? raster.bottom : middle);
    return raster.update(columns, axis, BUDGET);
  }

  private show(on: Surface, scene: Scene, raster: Raster, canvas: HTMLCanvasElement): void {
    const { context, palette, ratio } = on;
    const { columns, axis } = scene;
    const row = columns.bucket * raster.tall;
    const top = raster.bottom + raster.rows - this.prices.at(0) / row;
    context.save();
    context.beginPath();
    context.rect(0, 0, axis.width, this.prices.height);
    context.clip();
    copy(context, raster, canvas, axis, top, this.prices.ticks / row, this.prices.height);
    const width = Math.max(Math.round(ratio), 1);
    context.strokeStyle = palette.micro;
    line(context, columns, axis, this.prices, columns.fields.micro, MICRO, width);
    context.strokeStyle = palette.mid;
    line(context, columns, axis, this.prices, columns.fields.mid, MID, width);
    this.dots.take(columns, axis);
    const dots = (unseen: boolean) =>
      this.dots.draw(context, axis, this.prices, palette, DOT * ratio, width, raster, unseen);
    dots(false);
    hatches(on, axis, raster, this.patterns, 0, this.prices.height);
    dots(true);
    context.restore();
  }
}

function open(size: number, rows: number, ink: Uint32Array): Store {
  const canvas = document.createElement("canvas");
  canvas.width = size;
  canvas.height = rows;
  const context = canvas.getContext("2d") as CanvasRenderingContext2D;
  const image = new ImageData(1, rows);
  const sheet: Sheet = {
    pixels: new Uint32Array(image.data.buffer),
    put: (slot) => context.putImageData(image, slot, 0),
  };
  return { canvas, raster: new Raster(size, sheet, ink) };
}
