import { expect, test } from "vitest";
import { createColumns } from "./columns";
import { createHoles } from "./holes";
import { encode } from "./testing/encode";
import { decode } from "./wire";

function begin(size = 6_000) {
  const columns = createColumns(size, 1);
  const asked: [number, number][] = [];
  const holes = createHoles(columns, (first, last) => asked.push([first, last]) > 0);
  const put = (...numbers: number[]) => {
    const made = numbers.map((number) => ({ number }));
    holes.found(columns.put(decode(encode(made, { cells: 1 }))));
  };
  return { columns, asked, holes, put };
}

test("a hole is asked for once", () => {
  const { asked, put } = begin();
  put(10, 13);
  put(14);
  put(15, 17);

  expect(asked).toEqual([
    [11, 12],
    [16, 16],
  ]);
});

test("another connection is asked for what has not come and is not gone", () => {
  const { asked, holes, put } = begin();
  put(10, 20);
  put(12, 13);
  holes.gone(15, 16);
  holes.again();
  expect(asked.slice(1)).toEqual([
    [11, 11],
    [14, 14],
    [17, 19],
  ]);

  put(11, 14, 17, 18, 19);
  holes.again();
  expect(asked).toHaveLength(4);
});

test("older ones are asked for in blocks, each once, and no older than can be held", () => {
  const { asked, holes, put } = begin(2_000);
  holes.older(5);
  put(...Array.from({ length: 50 }, (_, k) => 2_650 + k));

  holes.older(2_000);
  holes.older(2_000);
  expect(asked).toEqual([
    [1_800, 2_399],
    [2_400, 2_649],
  ]);

  holes.older(0);
  expect(asked.slice(2)).toEqual([
    [700, 1_199],
    [1_200, 1_799],
  ]);
});
