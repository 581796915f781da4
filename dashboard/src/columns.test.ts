import { expect, test } from "vitest";
import { ABSENT, createColumns } from "./columns";
import { encode, type Made } from "./testing/encode";
import { random } from "./testing/market";
import { BROKEN, decode, MID, WHOLE } from "./wire";

const CELLS = 4;
const frame = (columns: readonly Made[], bucket = 2) =>
  decode(encode(columns, { cells: CELLS, bucket }));

test("a column is read field by field", () => {
  const columns = createColumns(8, CELLS);
  const trades = [
    { cell: -3, side: 1, lots: 2.5 },
    { cell: 2, side: -1, lots: 7 },
  ];
  const image = Uint8Array.of(1, 0, 255, 9);
  const made = { number: 17e9, base: 3, mid: 5.5, state: WHOLE, known: MID, direction: -1 };

  columns.put(frame([{ ...made, image, trades, cvd: -4, ofi5: 1.5, marks: 4, regime: 2 }]));

  const at = columns.place(17e9);
  const f = columns.fields;
  expect([f.base[at], f.mid[at], f.direction[at], f.cvd[at]]).toEqual([3, 5.5, -1, -4]);
  expect([f.ofi5[at], f.marks[at], f.regime[at], f.known[at]]).toEqual([1.5, 4, 2, MID]);
  expect(columns.image.slice(at * CELLS, at * CELLS + CELLS)).toEqual(image);
  expect(columns.trades(17e9)).toEqual(trades);
  expect([columns.newest, columns.oldest, columns.bucket]).toEqual([17e9, 17e9, 2]);
});

test("a hole is told once and stays one until it is filled", () => {
  const columns = createColumns(8, CELLS);

  expect(columns.put(frame([{ number: 10 }, { number: 13 }]))).toEqual([[11, 12]]);
  expect(columns.place(11)).toBe(-1);
  expect(columns.fields.state[11 % 8]).toBe(ABSENT);
  expect(columns.put(frame([{ number: 11, state: BROKEN }]))).toEqual([]);
  expect(columns.fields.state[columns.place(11)]).toBe(BROKEN);
  expect(columns.newest).toBe(13);
});

test("what the ring has passed is forgotten, and what is older than it is not taken", () => {
  const columns = createColumns(4, CELLS);
  columns.put(frame([{ number: 1 }, { number: 2 }, { number: 3 }, { number: 4 }]));

  expect(columns.put(frame([{ number: 100 }]))).toEqual([[97, 99]]);
  columns.put(frame([{ number: 96 }]));

  expect([columns.oldest, columns.newest]).toEqual([100, 100]);
  expect([...columns.fields.state].filter((s) => s !== ABSENT)).toHaveLength(1);
  columns.put(frame([{ number: 98 }]));
  expect(columns.oldest).toBe(98);
});

test("other cells or another scale begin anew", () => {
  const columns = createColumns(8, CELLS);
  columns.put(frame([{ number: 1 }], 0));
  columns.put(frame([{ number: 2 }], 2));
  columns.put(frame([{ number: 3 }], 0));
  expect([columns.bucket, columns.oldest]).toEqual([2, 1]);

  columns.put(frame([{ number: 4 }], 5));
  expect([columns.bucket, columns.oldest, columns.place(3)]).toEqual([5, 4, -1]);

  columns.put(decode(encode([{ number: 5 }], { cells: 6, bucket: 5 })));
  expect([columns.cells, columns.image.length, columns.oldest]).toEqual([6, 48, 5]);
});

test("whatever comes in whatever order, the ring holds the newest of each", () => {
  const draw = random(7);
  const columns = createColumns(32, CELLS);
  const all = new Map<number, number>();
  let newest = -1;
  for (let k = 0; k < 2_000; k++) {
    const number = Math.max(0, newest + Math.floor(40 * draw()) - 30);
    const count = Math.floor(20 * draw());
    const trades = Array.from({ length: count }, (_, t) => ({ cell: t, side: 1, lots: k }));
    columns.put(frame([{ number, cvd: k, trades }]));
    if (number > newest - 32) all.set(number, k * 100 + count);
    newest = Math.max(newest, number);
  }

  const held = Array.from({ length: 32 }, (_, k) => newest - k).filter((n) => all.has(n));
  for (const n of held) {
    const trades = columns.trades(n);
    const put = columns.fields.cvd[columns.place(n)]!;
    expect(put * 100 + trades.length).toBe(all.get(n));
    expect(trades.every((one, t) => one.cell === t && one.lots === put)).toBe(true);
  }
  expect(columns.oldest).toBe(Math.min(...held));
  expect(columns.trades(newest - 33)).toHaveLength(0);
});
