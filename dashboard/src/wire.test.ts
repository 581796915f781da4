import { expect, test } from "vitest";
import { encode } from "./testing/encode";
import { decode } from "./wire";

test("the head is read", () => {
  const data = encode([{ number: 1 }, { number: 2, trades: [{ cell: 1, side: 1, lots: 1 }] }], {
    instrument: 3,
    cells: 250,
    bucket: 70_000,
  });

  expect(decode(data)).toMatchObject({ instrument: 3, count: 2, cells: 250, bucket: 70_000 });
  expect(data.byteLength).toBe(16 + 320 + 328); // 64 + 250 and 64 + 250 + 8, up to multiples of 8
});

test.each([
  ["cut", (data: ArrayBuffer) => data.slice(0, -8)],
  ["too long", (data: ArrayBuffer) => new Uint8Array([...new Uint8Array(data), 0]).buffer],
  ["no head", (data: ArrayBuffer) => data.slice(0, 15)],
  ["no column", (data: ArrayBuffer) => data.slice(0, 40)],
])("what is %s is refused", (_, broken) => {
  expect(() => decode(broken(encode([{ number: 1 }])))).toThrow(/a frame of \d+ bytes/);
});

test("another version is refused", () => {
  const data = encode([]);
  new Uint8Array(data)[1] = 9;

  expect(() => decode(data)).toThrow("a frame of kind 1, version 9");
});
