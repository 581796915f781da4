// What is under the cursor, in words and numbers.

import type { Columns } from "../columns";
import { MID, ONE_SIDED } from "../wire";
import { SEEN, seen, WORDS } from "./hatch";
import { lots, OUTSIDE } from "./heat";

/** Byte of the image at a price in ticks; OUTSIDE where the picture did not look, or saw no book. */
export function byteAt(columns: Columns, number: number, price: number): number {
  const place = columns.place(number);
  if (place < 0 || columns.fields.state[place]! < ONE_SIDED || columns.bucket === 0) return OUTSIDE;
  const cell = Math.floor((price - columns.fields.base[place]!) / columns.bucket);
  if (cell < 0 || cell >= columns.cells) return OUTSIDE;
  return columns.image[place * columns.cells + cell]!;
}

/** Lots that rest there, to 9 %; not a number where it is not known. */
export function lotsAt(columns: Columns, number: number, price: number): number {
  const byte = byteAt(columns, number, price);
  return byte < 0 ? Number.NaN : lots(byte);
}

/** What was seen of the book, in words. */
export function stateAt(columns: Columns, number: number): string {
  const what = seen(columns, number);
  const state = columns.fields.state[columns.place(number)];
  return what === SEEN && state === ONE_SIDED ? "one side of the book only" : (WORDS[what] ?? "");
}

/** On which side of the book a price is; "": not known. */
export function sideAt(columns: Columns, number: number, price: number): string {
  const place = columns.place(number);
  if (place < 0 || (columns.fields.known[place]! & MID) === 0) return "";
  return price > columns.fields.mid[place]! ? "ask" : "bid";
}

/** A value of a column, or not a number. */
export function valueAt(
  columns: Columns,
  number: number,
  values: Float32Array | Float64Array,
  bit: number,
): number {
  const place = columns.place(number);
  return place < 0 || (columns.fields.known[place]! & bit) === 0 ? Number.NaN : values[place]!;
}

/** The newest column at or before `number` of which the bit is set, not further back than `most`. */
export function lastKnown(columns: Columns, number: number, bit: number, most: number): number {
  for (let n = number; n > number - most && n >= 0; n--) {
    const place = columns.place(n);
    if (place >= 0 && (columns.fields.known[place]! & bit) !== 0) return place;
  }
  return -1;
}
