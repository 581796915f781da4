// Trades of columns, in linked blocks of typed arrays: what one column gives up another takes, so
// that nothing is allocated once as many were held at a time as ever will be.

import type { Trade } from "./columns";
import { TRADE, TRADE_BYTES } from "./wire";

const BLOCK = 8;
const NONE = -1;
const MOST = 255; // of a column: its count is a byte

export interface Trades {
  /** Replaces those of a place by what lies in a frame. */
  read(place: number, view: DataView, at: number, count: number): void;
  free(place: number): void;
  /** Used again by the next call. */
  of(place: number): readonly Trade[];
}

function grown<T extends Int16Array | Int8Array | Float32Array | Int32Array>(old: T, made: T): T {
  made.set(old);
  return made;
}

export function createTrades(size: number): Trades {
  const first = new Int32Array(size).fill(NONE); // block
  const counts = new Uint8Array(size);
  let next = new Int32Array(0); // block after each
  let cell = new Int16Array(0);
  let side = new Int8Array(0);
  let lots = new Float32Array(0);
  let spare = NONE; // first of the blocks that are free
  const shown = Array.from({ length: MOST }, () => ({ cell: 0, side: 0, lots: 0 }));
  const list: Trade[] = [];

  function grow(): void {
    const had = next.length;
    const blocks = Math.max(1024, had * 2);
    next = grown(next, new Int32Array(blocks));
    cell = grown(cell, new Int16Array(blocks * BLOCK));
    side = grown(side, new Int8Array(blocks * BLOCK));
    lots = grown(lots, new Float32Array(blocks * BLOCK));
    for (let b = had; b < blocks; b++) next[b] = b + 1 < blocks ? b + 1 : NONE;
    spare = had;
  }

  function take(): number {
    if (spare === NONE) grow();
    const block = spare;
    spare = next[block]!;
    next[block] = NONE;
    return block;
  }

  function free(place: number): void {
    let block = first[place]!;
    while (block !== NONE) {
      const after = next[block]!;
      next[block] = spare;
      spare = block;
      block = after;
    }
    first[place] = NONE;
    counts[place] = 0;
  }

  function read(place: number, view: DataView, at: number, count: number): void {
    free(place);
    let block = NONE;
    for (let k = 0; k < count; k++, at += TRADE_BYTES) {
      if (k % BLOCK === 0) {
        const fresh = take();
        if (block === NONE) first[place] = fresh;
        else next[block] = fresh;
        block = fresh;
      }
      const to = block * BLOCK + (k % BLOCK);
      cell[to] = view.getInt16(at + TRADE.cell, true);
      side[to] = view.getInt8(at + TRADE.side);
      lots[to] = view.getFloat32(at + TRADE.lots, true);
    }
    counts[place] = count;
  }

  function of(place: number): readonly Trade[] {
    const count = place < 0 ? 0 : counts[place]!;
    list.length = count;
    let block = count ? first[place]! : NONE;
    for (let k = 0; k < count; k++) {
      if (k && k % BLOCK === 0) block = next[block]!;
      const from = block * BLOCK + (k % BLOCK);
      const one = shown[k]!;
      one.cell = cell[from]!;
      one.side = side[from]!;
      one.lots = lots[from]!;
      list[k] = one;
    }
    return list;
  }

  return { read, free, of };
}
