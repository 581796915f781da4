// Frames as the server writes them, for tests and for the synthetic server.

import type { Trade } from "../columns";
import {
  COLUMN,
  COLUMN_BYTES,
  columnBytes,
  HEAD,
  HEAD_BYTES,
  KIND,
  STEPS,
  TRADE,
  TRADE_BYTES,
  VERSION,
} from "../wire";

/** A column; what is left out is 0 or empty. */
export interface Made {
  readonly number: number;
  readonly base?: number;
  readonly mid?: number;
  readonly micro?: number;
  readonly cvd?: number;
  readonly ofi1?: number;
  readonly ofi5?: number;
  readonly ofi10?: number;
  readonly imbalance?: number;
  readonly state?: number;
  readonly known?: number;
  readonly direction?: number;
  readonly confidence?: number;
  readonly regime?: number;
  readonly likely?: number;
  readonly marks?: number;
  readonly image?: Uint8Array;
  readonly trades?: readonly Trade[];
}

export const byteOf = (lots: number) => Math.min(255, Math.round(STEPS * Math.log2(1 + lots)));

function write(view: DataView, at: number, one: Made): void {
  for (const name of ["number", "base", "mid", "micro", "cvd"] as const)
    view.setFloat64(at + COLUMN[name], one[name] ?? 0, true);
  for (const name of ["ofi1", "ofi5", "ofi10", "imbalance"] as const)
    view.setFloat32(at + COLUMN[name], one[name] ?? 0, true);
  for (const name of ["state", "known", "confidence", "regime", "likely", "marks"] as const)
    view.setUint8(at + COLUMN[name], one[name] ?? 0);
  view.setInt8(at + COLUMN.direction, one.direction ?? 0);
  view.setUint8(at + COLUMN.trades, one.trades?.length ?? 0);
}

/** A frame of these columns. */
export function encode(
  columns: readonly Made[],
  { instrument = 0, cells = 256, bucket = 1 } = {},
): ArrayBuffer {
  const bytes = columns.map((one) => columnBytes(cells, one.trades?.length ?? 0));
  const data = new ArrayBuffer(HEAD_BYTES + bytes.reduce((a, b) => a + b, 0));
  const view = new DataView(data);
  view.setUint8(HEAD.kind, KIND);
  view.setUint8(HEAD.version, VERSION);
  view.setUint16(HEAD.instrument, instrument, true);
  view.setUint16(HEAD.count, columns.length, true);
  view.setUint16(HEAD.cells, cells, true);
  view.setUint32(HEAD.bucket, bucket, true);
  let at = HEAD_BYTES;
  columns.forEach((one, k) => {
    write(view, at, one);
    new Uint8Array(data, at + COLUMN_BYTES, cells).set(one.image ?? []);
    one.trades?.forEach((trade, t) => {
      const to = at + COLUMN_BYTES + cells + t * TRADE_BYTES;
      view.setInt16(to + TRADE.cell, trade.cell, true);
      view.setInt8(to + TRADE.side, trade.side);
      view.setFloat32(to + TRADE.lots, trade.lots, true);
    });
    at += bytes[k]!;
  });
  return data;
}
