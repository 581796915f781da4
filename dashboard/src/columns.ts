// The columns of one instrument, by number: a ring of typed arrays in which holes stay holes.

import { createTrades, type Trades } from "./trades";
import { COLUMN, COLUMN_BYTES, columnBytes, type Frame, HEAD_BYTES } from "./wire";

/** State of a column; ABSENT: it has not been received. */
export const ABSENT = 255;

/** Fields of a column, each a typed array of `size` places; place of number n: n mod size. */
export interface Fields {
  readonly number: Float64Array; // which number lies there; -1: none
  readonly base: Float64Array;
  readonly mid: Float64Array;
  readonly micro: Float64Array;
  readonly cvd: Float64Array;
  readonly ofi1: Float32Array;
  readonly ofi5: Float32Array;
  readonly ofi10: Float32Array;
  readonly imbalance: Float32Array;
  readonly state: Uint8Array;
  readonly known: Uint8Array;
  readonly direction: Int8Array;
  readonly confidence: Uint8Array;
  readonly regime: Uint8Array;
  readonly likely: Uint8Array;
  readonly marks: Uint8Array;
}

export interface Trade {
  readonly cell: number;
  readonly side: number;
  readonly lots: number;
}

export interface Columns {
  readonly size: number;
  readonly cells: number;
  /** Ticks that a cell spans; 0 before the first frame. */
  readonly bucket: number;
  readonly fields: Fields;
  /** (size * cells) bytes of the images. */
  readonly image: Uint8Array;
  /** Number of the newest; -1 before the first. */
  readonly newest: number;
  /** Number of the oldest that is held; -1 before the first. */
  readonly oldest: number;
  /** Number of the first that the server ever made; 0: it has not said. */
  begun: number;
  /** Place in the arrays; -1 where it has not been received. */
  place(number: number): number;
  /** Of one column. The list and what is in it are used again: read them before the next call. */
  trades(number: number): readonly Trade[];
  /** Takes a frame in; -> the holes before the newest that it makes, as [first, last]. */
  put(frame: Frame): [number, number][];
  clear(cells: number): void;
}

function createFields(size: number): Fields {
  return {
    number: new Float64Array(size).fill(-1),
    base: new Float64Array(size),
    mid: new Float64Array(size),
    micro: new Float64Array(size),
    cvd: new Float64Array(size),
    ofi1: new Float32Array(size),
    ofi5: new Float32Array(size),
    ofi10: new Float32Array(size),
    imbalance: new Float32Array(size),
    state: new Uint8Array(size).fill(ABSENT),
    known: new Uint8Array(size),
    direction: new Int8Array(size),
    confidence: new Uint8Array(size),
    regime: new Uint8Array(size),
    likely: new Uint8Array(size),
    marks: new Uint8Array(size),
  };
}

function read(fields: Fields, place: number, view: DataView, at: number): void {
  fields.number[place] = view.getFloat64(at + COLUMN.number, true);
  fields.base[place] = view.getFloat64(at + COLUMN.base, true);
  fields.mid[place] = view.getFloat64(at + COLUMN.mid, true);
  fields.micro[place] = view.getFloat64(at + COLUMN.micro, true);
  fields.cvd[place] = view.getFloat64(at + COLUMN.cvd, true);
  fields.ofi1[place] = view.getFloat32(at + COLUMN.ofi1, true);
  fields.ofi5[place] = view.getFloat32(at + COLUMN.ofi5, true);
  fields.ofi10[place] = view.getFloat32(at + COLUMN.ofi10, true);
  fields.imbalance[place] = view.getFloat32(at + COLUMN.imbalance, true);
  fields.state[place] = view.getUint8(at + COLUMN.state);
  fields.known[place] = view.getUint8(at + COLUMN.known);
  fields.direction[place] = view.getInt8(at + COLUMN.direction);
  fields.confidence[place] = view.getUint8(at + COLUMN.confidence);
  fields.regime[place] = view.getUint8(at + COLUMN.regime);
  fields.likely[place] = view.getUint8(at + COLUMN.likely);
  fields.marks[place] = view.getUint8(at + COLUMN.marks);
}

/** A ring of the newest `size` columns, each with an image of `cells` bytes. */
export function createColumns(size: number, cells = 256): Columns {
  return new Ring(size, cells);
}

class Ring implements Columns {
  readonly fields: Fields;
  image: Uint8Array;
  bucket = 0;
  newest = -1;
  oldest = -1;
  begun = 0;
  private readonly traded: Trades;

  constructor(
    readonly size: number,
    public cells: number,
  ) {
    this.fields = createFields(size);
    this.traded = createTrades(size);
    this.image = new Uint8Array(size * cells);
  }

  place(number: number): number {
    // As number % size, which is slow beyond 2^31; asked for thousands of times a frame.
    const at = (number - this.size * Math.floor(number / this.size)) | 0;
    return number >= 0 && this.fields.number[at] === number ? at : -1;
  }

  trades(number: number): readonly Trade[] {
    return this.traded.of(this.place(number));
  }

  put(frame: Frame): [number, number][] {
    const { cells } = frame;
    if (cells !== this.cells || (this.bucket && frame.bucket && frame.bucket !== this.bucket))
      this.clear(cells); // what is held was drawn on another scale
    this.bucket = frame.bucket || this.bucket;
    const holes: [number, number][] = [];
    for (let k = 0, at = HEAD_BYTES; k < frame.count; k++) {
      const number = frame.view.getFloat64(at + COLUMN.number, true);
      const count = frame.view.getUint8(at + COLUMN.trades);
      if (number > this.newest) {
        const hole = this.advance(number);
        if (hole) holes.push(hole);
      }
      if (number > this.newest - this.size) this.take(number, frame.view, at, count);
      at += columnBytes(cells, count);
    }
    return holes;
  }

  clear(wanted: number): void {
    if (wanted !== this.cells) this.image = new Uint8Array(this.size * wanted);
    this.cells = wanted;
    this.bucket = 0;
    this.newest = this.oldest = -1;
    for (let k = 0; k < this.size; k++) this.forget(k);
  }

  /** Makes `number` the newest; -> the hole before it. */
  private advance(number: number): [number, number] | undefined {
    const { size, newest: before } = this;
    this.newest = number;
    if (before < 0) {
      this.oldest = number;
      return undefined;
    }
    const first = Math.max(before + 1, number - size + 1);
    for (let n = first; n < number; n++) this.forget(n % size);
    this.oldest = Math.max(this.oldest, number - size + 1);
    while (this.oldest < number && this.place(this.oldest) < 0) this.oldest++;
    return first < number ? [first, number - 1] : undefined;
  }

  /** Keeps the column that lies `at` these bytes, with its image and its trades. */
  private take(number: number, view: DataView, at: number, trades: number): void {
    const { cells } = this;
    const to = number % this.size;
    this.oldest = Math.min(this.oldest, number);
    read(this.fields, to, view, at);
    this.image.set(new Uint8Array(view.buffer, at + COLUMN_BYTES, cells), to * cells);
    this.traded.read(to, view, at + COLUMN_BYTES + cells, trades);
  }

  private forget(place: number): void {
    this.fields.number[place] = -1;
    this.fields.state[place] = ABSENT;
    this.traded.free(place);
  }
}
