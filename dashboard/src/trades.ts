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

/** Trades in blocks, linked by their numbers; those that are free are linked, too. */
class Blocks {
  next = new Int32Array(0); // block after each
  cell = new Int16Array(0);
  side = new Int8Array(0);
  lots = new Float32Array(0);
  private spare = NONE; // first of the blocks that are free

  take(): number {
    if (this.spare === NONE) this.grow();
    const block = this.spare;
    this.spare = this.next[block]!;
    this.next[block] = NONE;
    return block;
  }

  /** Frees a block and all after it. */
  free(first: number): void {
    let block = first;
    while (block !== NONE) {
      const after = this.next[block]!;
      this.next[block] = this.spare;
      this.spare = block;
      block = after;
    }
  }

  private grow(): void {
    const had = this.next.length;
    const blocks = Math.max(1024, had * 2);
    this.next = grown(this.next, new Int32Array(blocks));
    this.cell = grown(this.cell, new Int16Array(blocks * BLOCK));
    this.side = grown(this.side, new Int8Array(blocks * BLOCK));
    this.lots = grown(this.lots, new Float32Array(blocks * BLOCK));
    for (let b = had; b < blocks; b++) this.next[b] = b + 1 < blocks ? b + 1 : NONE;
    this.spare = had;
  }
}

export function createTrades(size: number): Trades {
  const first = new Int32Array(size).fill(NONE); // block
  const counts = new Uint8Array(size);
  const blocks = new Blocks();
  const shown = Array.from({ length: MOST }, () => ({ cell: 0, side: 0, lots: 0 }));
  const list: Trade[] = [];

  function free(place: number): void {
    blocks.free(first[place]!);
    first[place] = NONE;
    counts[place] = 0;
  }

  function read(place: number, view: DataView, at: number, count: number): void {
    free(place);
    let block = NONE;
    for (let k = 0; k < count; k++, at += TRADE_BYTES) {
      if (k % BLOCK === 0) {
        const fresh = blocks.take();
        if (block === NONE) first[place] = fresh;
        else blocks.next[block] = fresh;
        block = fresh;
      }
      const to = block * BLOCK + (k % BLOCK);
      blocks.cell[to] = view.getInt16(at + TRADE.cell, true);
      blocks.side[to] = view.getInt8(at + TRADE.side);
      blocks.lots[to] = view.getFloat32(at + TRADE.lots, true);
    }
    counts[place] = count;
  }

  function of(place: number): readonly Trade[] {
    const count = place < 0 ? 0 : counts[place]!;
    list.length = count;
    let block = count ? first[place]! : NONE;
    for (let k = 0; k < count; k++) {
      if (k && k % BLOCK === 0) block = blocks.next[block]!;
      const from = block * BLOCK + (k % BLOCK);
      const one = shown[k]!;
      one.cell = blocks.cell[from]!;
      one.side = blocks.side[from]!;
      one.lots = blocks.lots[from]!;
      list[k] = one;
    }
    return list;
  }

  return { read, free, of };
}
