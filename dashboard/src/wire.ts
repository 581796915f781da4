// Frames of columns, as `flowsense.serve.board.wire` writes them: little-endian, see there.

export const KIND = 1;
export const VERSION = 1;
export const HEAD_BYTES = 16;
export const COLUMN_BYTES = 64;
export const TRADE_BYTES = 8;

/** Where each field lies, in bytes from the start of the head, of a column, of a trade. */
export const HEAD = { kind: 0, version: 1, instrument: 2, count: 4, cells: 6, bucket: 8 } as const;
export const COLUMN = {
  number: 0,
  base: 8,
  mid: 16,
  micro: 24,
  cvd: 32,
  ofi1: 40,
  ofi5: 44,
  ofi10: 48,
  imbalance: 52,
  state: 56,
  known: 57,
  direction: 58,
  confidence: 59,
  regime: 60,
  likely: 61,
  marks: 62,
  trades: 63,
} as const;
export const TRADE = { cell: 0, side: 2, lots: 4 } as const;

/** State of a column. */
export const NOTHING = 0;
export const BROKEN = 1;
export const ONE_SIDED = 2;
export const WHOLE = 3;

/** Bits of `known`. */
export const MID = 1;
export const MICRO = 2;
export const OFI1 = 4;
export const OFI5 = 8;
export const OFI10 = 16;
export const IMBALANCE = 32;
export const SAID = 64;

/** Bits of `marks`. */
export const STALE = 1;
export const BREAKER = 2;
export const ACT = 4;
export const SWAPPED = 8;

export const NO_REGIME = 255;
/** Steps of an image's byte for each doubling of 1 + lots. */
export const STEPS = 8;

/** A frame that was received, its head read; columns are read by `Columns.put`. */
export interface Frame {
  readonly instrument: number;
  readonly count: number;
  readonly cells: number;
  /** Ticks that a cell spans: the same in every frame of an instrument; 0: no book was whole yet. */
  readonly bucket: number;
  readonly view: DataView;
}

/** Bytes of a column with its image and trades, padded to a multiple of 8. */
export function columnBytes(cells: number, trades: number): number {
  return Math.ceil((COLUMN_BYTES + cells + TRADE_BYTES * trades) / 8) * 8;
}

/** Reads the head. Throws where the bytes are no whole frame of this version. */
export function decode(data: ArrayBuffer): Frame {
  if (data.byteLength < HEAD_BYTES) throw new Error(`a frame of ${data.byteLength} bytes`);
  const view = new DataView(data);
  const kind = view.getUint8(HEAD.kind);
  const version = view.getUint8(HEAD.version);
  if (kind !== KIND || version !== VERSION)
    throw new Error(`a frame of kind ${kind}, version ${version}`);
  const frame = {
    instrument: view.getUint16(HEAD.instrument, true),
    count: view.getUint16(HEAD.count, true),
    cells: view.getUint16(HEAD.cells, true),
    bucket: view.getUint32(HEAD.bucket, true),
    view,
  };
  let end = HEAD_BYTES;
  for (let k = 0; k < frame.count && end < data.byteLength; k++) {
    if (end + COLUMN_BYTES > data.byteLength) break;
    end += columnBytes(frame.cells, view.getUint8(end + COLUMN.trades));
  }
  if (end !== data.byteLength)
    throw new Error(`a frame of ${data.byteLength} bytes whose columns need ${end}`);
  return frame;
}
