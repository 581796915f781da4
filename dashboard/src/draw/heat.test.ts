import { describe, expect, it } from "vitest";
import { axisOf, columnsOf, recording } from "../testing/drawn";
import type { Made } from "../testing/encode";
import { random } from "../testing/market";
import { BROKEN, WHOLE } from "../wire";
import { GAP, MISSING, SEEN } from "./hatch";
import { byte, copy, extent, histogram, lots, OUTSIDE, quantile, Raster, strip } from "./heat";

const whole = (number: number, base: number, ...image: number[]): Made => ({
  ...{ number, base, state: WHOLE, image: Uint8Array.from(image) },
});

/** A raster whose ink is the byte itself, 999 for what was not looked at; and what was put where. */
function rasterOf(rows: number, size = 16) {
  const put = new Map<number, number[]>();
  const pixels = new Uint32Array(rows);
  const ink = Uint32Array.from({ length: 257 }, (_, k) => (k === 256 ? 999 : k));
  const puts: number[] = [];
  const sheet = {
    pixels,
    put(slot: number) {
      put.set(slot, [...pixels]);
      puts.push(slot);
    },
  };
  return { raster: new Raster(size, sheet, ink), put, puts };
}

it("reads sizes to 9 % of what they were", () => {
  for (const size of [0, 1, 7, 123, 45_678, 2e9])
    expect(Math.abs(lots(byte(size)) - size)).toBeLessThanOrEqual(0.09 * (size + 1));
});

describe("a strip", () => {
  const out = new Int16Array(6);

  it("lies at its own base, and says where nobody looked", () => {
    strip(columnsOf([whole(10, 101, 1, 2, 3, 0)]), 10, 1, 100, 1, out);
    expect([...out]).toEqual([OUTSIDE, 1, 2, 3, 0, OUTSIDE]);
  });

  it("takes the greatest of columns whose bases differ", () => {
    const columns = columnsOf([whole(10, 100, 9, 1, 0, 5), whole(11, 101, 4, 0, 2, 8)]);
    strip(columns, 5, 2, 100, 1, out);
    expect([...out]).toEqual([9, 4, 0, 5, 8, OUTSIDE]);
  });

  it("takes the greatest of rows that hold several cells", () => {
    strip(columnsOf([whole(10, 101, 1, 2, 3, 4)]), 10, 1, 50, 2, out);
    expect([...out]).toEqual([1, 3, 4, OUTSIDE, OUTSIDE, OUTSIDE]);
  });

  it("counts in cells of several ticks", () => {
    strip(columnsOf([whole(10, 505, 1, 2, 3, 4)], 4, 5), 10, 1, 100, 1, out);
    expect([...out]).toEqual([OUTSIDE, 1, 2, 3, 4, OUTSIDE]);
  });

  it("leaves out columns without a book", () => {
    const broken = { ...whole(11, 100, 7, 7, 7, 7), state: BROKEN };
    strip(columnsOf([whole(10, 100, 1, 1, 1, 1), broken]), 5, 2, 100, 1, out);
    expect([...out]).toEqual([1, 1, 1, 1, OUTSIDE, OUTSIDE]);
  });

  it("agrees with a slow search over random columns", () => {
    const draw = random(3);
    const at = (n: number) => Math.floor(n * draw());
    const made = Array.from({ length: 24 }, (_, k) =>
      whole(96 + k, 5 * (100 + at(9)), at(256), at(256), at(256), at(256)),
    );
    const columns = columnsOf(made, 4, 5);
    for (const [per, tall] of [
      [1, 1],
      [4, 1],
      [4, 3],
      [8, 2],
    ] as const) {
      const bottom = Math.floor(98 / tall);
      for (let bin = Math.ceil(96 / per); (bin + 1) * per <= 120; bin++) {
        strip(columns, bin, per, bottom, tall, out);
        const slow = [...out].map((_, r) => {
          const found = made
            .filter((one) => Math.floor(one.number / per) === bin)
            .flatMap((one) => [...one.image!].map((v, k) => [one.base! / 5 + k, v] as const))
            .filter(([cell]) => Math.floor(cell / tall) === bottom + r);
          return Math.max(OUTSIDE, ...found.map(([, v]) => v));
        });
        expect([...out]).toEqual(slow);
      }
    }
  });
});

describe("the scale of colours", () => {
  it("counts sizes in sight, and nothing where nothing rests", () => {
    const counts = new Uint32Array(256);
    const columns = columnsOf([whole(10, 100, 0, 5, 5, 9), whole(11, 100, 0, 0, 5, 200)]);
    histogram(columns, axisOf(11, 2, 100), 100, counts);
    expect([counts[0], counts[5], counts[9], counts[200]]).toEqual([0, 3, 1, 1]);
    expect([quantile(counts, 0.5), quantile(counts, 0.8), quantile(counts, 1)]).toEqual([
      5, 9, 200,
    ]);
  });

  it("has no quantile of nothing", () => {
    expect(quantile(new Uint32Array(256), 0.5)).toBe(0);
  });
});

describe("the extent of what rests in sight", () => {
  it("goes from the lowest to the highest price of all columns", () => {
    const columns = columnsOf([whole(10, 100, 0, 5, 5, 0), whole(11, 104, 0, 0, 9, 0)]);
    expect(extent(columns, axisOf(11, 2, 100))).toBe(6); // 101 .. 106
    expect(extent(columns, axisOf(10, 1, 100))).toBe(2);
  });

  it("leaves out the twentieth of a column that lies furthest out on each side", () => {
    const image = new Uint8Array(400).fill(3, 100, 300);
    image[0] = image[399] = 200;
    expect(extent(columnsOf([{ ...whole(10, 0), image }], 400), axisOf(10, 1, 9))).toBe(182);
  });

  it("is nothing where nothing rests or was seen", () => {
    const broken = { ...whole(11, 100, 7, 7, 7, 7), state: BROKEN };
    const columns = columnsOf([whole(10, 100, 0, 0, 0, 0), broken]);
    expect(extent(columns, axisOf(12, 3, 100))).toBe(0);
  });
});

describe("the raster", () => {
  const made = [10, 11, 12, 13].map((n) => whole(n, 100, n, n, n, n));

  it("draws a column that arrives, and it alone", () => {
    const { raster, put, puts } = rasterOf(4);
    raster.lay(1, 1, 100);
    expect(raster.update(columnsOf(made), axisOf(13, 4, 4), 1e6)).toBe(true);
    expect(puts).toEqual([13, 12, 11, 10]);
    const columns = columnsOf([...made, whole(14, 101, 1, 2, 3, 4)]);
    expect(raster.update(columns, axisOf(14, 4, 4), 1e6)).toBe(true);
    expect(puts.slice(4)).toEqual([14]);
    expect(put.get(14)).toEqual([3, 2, 1, 999]); // from the top
  });

  it("draws a hole again once it is filled", () => {
    const { raster, puts } = rasterOf(4);
    const holed = columnsOf(made.filter((one) => one.number !== 12));
    raster.lay(1, 1, 100);
    raster.update(holed, axisOf(13, 4, 4), 1e6);
    expect([raster.verdict(12), raster.verdict(13)]).toEqual([MISSING, SEEN]);
    raster.update(columnsOf(made), axisOf(13, 4, 4), 1e6);
    expect(raster.verdict(12)).toBe(SEEN);
    expect(puts.slice(4)).toEqual([12]);
  });

  it("hatches a bin whose columns never came, though it looked whole while it was young", () => {
    const { raster } = rasterOf(4);
    raster.lay(4, 1, 100);
    raster.update(columnsOf([whole(12, 100, 1, 1, 1, 1)]), axisOf(12, 4, 1), 1e6);
    expect(raster.verdict(3)).toBe(SEEN);
    const later = columnsOf([whole(12, 100, 1, 1, 1, 1), whole(16, 100, 1, 1, 1, 1)]);
    raster.update(later, axisOf(16, 8, 2), 1e6);
    expect(raster.verdict(3)).toBe(MISSING);
  });

  it("spreads its work over frames, the newest first", () => {
    const { raster, puts } = rasterOf(4);
    const columns = columnsOf(made);
    raster.lay(1, 1, 100);
    expect(raster.update(columns, axisOf(13, 4, 4), 10)).toBe(false);
    expect(puts).toEqual([13, 12]);
    expect(raster.drawn(11)).toBe(false);
    expect(raster.update(columns, axisOf(13, 4, 4), 10)).toBe(true);
    expect(puts).toEqual([13, 12, 11, 10]);
  });

  it("keeps the old colours in sight until the pixels are drawn anew", () => {
    const { raster, puts } = rasterOf(4);
    const columns = columnsOf(made);
    raster.lay(1, 1, 100);
    raster.update(columns, axisOf(13, 4, 4), 1e6);
    raster.recolour();
    expect(raster.drawn(10)).toBe(true);
    raster.update(columns, axisOf(13, 4, 4), 1e6);
    expect(puts).toHaveLength(8);
  });

  it("forgets all when rows or bins are others", () => {
    const { raster } = rasterOf(4);
    raster.lay(1, 1, 100);
    raster.update(columnsOf(made), axisOf(13, 4, 4), 1e6);
    raster.lay(1, 1, 100);
    expect(raster.drawn(13)).toBe(true);
    raster.lay(1, 1, 101);
    expect(raster.drawn(13)).toBe(false);
  });

  it("is copied in two pieces where the ring wraps, and not at all where it is not drawn", () => {
    const { raster } = rasterOf(4, 4);
    const columns = columnsOf([...made, whole(14, 100, 1, 1, 1, 1)]);
    const axis = axisOf(13, 4, 8);
    raster.lay(1, 1, 100);
    raster.update(columns, axis, 1e6);
    const { calls, context } = recording();
    copy(context, raster, {} as CanvasImageSource, axis, 0, 4, 40);
    const drawn = calls.filter((call) => call.startsWith("drawImage"));
    expect(drawn).toEqual([
      "drawImage(object,2,0,2,4,0,0,4,40)",
      "drawImage(object,0,0,2,4,4,0,4,40)",
    ]);
  });
});

it("draws nothing of a gap", () => {
  const { raster, put } = rasterOf(4);
  raster.lay(1, 1, 100);
  const columns = columnsOf([{ ...whole(10, 100, 5, 5, 5, 5), state: BROKEN }]);
  raster.update(columns, axisOf(10, 1, 4), 1e6);
  expect(put.get(10)).toEqual([0, 0, 0, 0]);
  expect(raster.verdict(10)).toBe(GAP);
});
