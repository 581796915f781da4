import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Columns } from "../columns";
import { PALETTES } from "../palette";
import { axisOf, columnsOf, recording } from "../testing/drawn";
import { encode, type Made } from "../testing/encode";
import { BROKEN, decode, MID, WHOLE } from "../wire";
import { byte } from "./heat";
import { FOOT, Picture } from "./picture";
import type { Surface } from "./surface";

// What a browser has and Node has not; what is drawn on it is not looked at here.
beforeEach(() => {
  vi.stubGlobal("document", {
    createElement: () => ({ getContext: () => recording().context }),
  });
  vi.stubGlobal(
    "ImageData",
    class {
      readonly data: Uint8ClampedArray;
      constructor(first: number | Uint8ClampedArray, second: number) {
        const made = typeof first === "number" ? new Uint8ClampedArray(4 * first * second) : first;
        this.data = made;
      }
    },
  );
});
afterEach(() => vi.unstubAllGlobals());

const CELLS = 64;
const at = (number: number, mid: number, lots = 10): Made => ({
  ...{ number, mid, base: mid - CELLS / 2, known: MID, state: WHOLE },
  image: new Uint8Array(CELLS).fill(byte(lots)),
});
const ring = (made: Made[]) => columnsOf(made, CELLS, 1, 256);

function stage() {
  const { calls, context } = recording();
  const on: Surface = { context, width: 260, height: 128 + FOOT, ratio: 1, palette: PALETTES.dark };
  const picture = new Picture();
  const paint = (
    columns: Columns,
    more: { span?: number; end?: number; follow?: boolean } = {},
  ) => {
    calls.length = 0;
    const axis = axisOf(more.end ?? columns.newest, more.span ?? 20, 100);
    const scene = { columns, axis, book: undefined, tick: 1, gridMs: 100, upper: 0.99 };
    return picture.paint(on, { ...scene, follow: more.follow ?? true });
  };
  return { on, picture, paint, calls };
}

describe("the picture", () => {
  it("is the ground alone before there is anything to show", () => {
    const { paint, calls } = stage();
    expect(paint(ring([]))).toBe(false);
    expect(calls.filter((call) => call.startsWith("drawImage"))).toEqual([]);
    expect(calls[0]).toBe(`fillStyle=${PALETTES.dark.ground}`);
  });

  it("begins at the price, with whole pixels for each row", () => {
    const { picture, paint } = stage();
    paint(ring([at(100, 1_000)]));
    expect([picture.prices.centre, picture.prices.ticks]).toEqual([1_000, 64]);
  });

  it("comes closer where all that rests lies near the price, and goes back out for what does not", () => {
    const { picture, paint } = stage();
    const near = (number: number, cells: number): Made => ({
      ...at(number, 1_000),
      image: new Uint8Array(CELLS).fill(byte(9), CELLS / 2 - cells, CELLS / 2 + cells),
    });
    paint(ring([near(100, 5)]));
    expect(picture.prices.ticks).toBeCloseTo(128 / 3, 9); // three pixels a row
    const columns = ring([near(100, 5), near(130, CELLS / 2)]);
    while (paint(columns, { span: 40 }));
    paint(columns, { span: 40 });
    expect(picture.prices.ticks).toBe(64);
  });

  it("stays while the price is in its middle half, then moves after it, and comes to rest", () => {
    const { picture, paint } = stage();
    paint(ring([at(100, 1_000)]));
    expect(paint(ring([at(100, 1_000), at(101, 1_016)]))).toBe(false);
    expect(picture.prices.centre).toBe(1_000);
    const columns = ring([at(100, 1_000), at(101, 1_017)]);
    let frames = 0;
    while (paint(columns)) frames++;
    expect(picture.prices.centre).toBe(1_017);
    expect(frames).toBeGreaterThan(2);
  });

  it("leaves the prices alone that were moved by hand, until it is told to follow", () => {
    const { picture, paint } = stage();
    const columns = ring([at(100, 1_000)]);
    paint(columns);
    picture.prices.centre = 1_500;
    expect(paint(columns, { follow: false })).toBe(false);
    expect(picture.prices.centre).toBe(1_500);
    picture.centre();
    while (paint(columns));
    expect(picture.prices.centre).toBe(1_000);
  });

  it("spans its colours over the sizes in sight", () => {
    const { picture, paint } = stage();
    paint(ring([at(100, 1_000, 10), at(101, 1_000, 1_000)]));
    expect([picture.low, picture.high]).toEqual([byte(10), byte(1_000)]);
  });

  it("looks again at what is in sight once older columns came, also while time stands still", () => {
    const { picture, paint } = stage();
    const columns = ring([at(110, 1_000, 10)]);
    paint(columns, { end: 110 });
    columns.put(decode(encode([at(100, 1_000, 1_000)], { cells: CELLS })));
    paint(columns, { end: 110 });
    paint(columns, { end: 110 });
    expect(picture.high).toBe(byte(1_000));
  });

  it("covers what a large trade beside a gap would lay over it", () => {
    const { paint, calls } = stage();
    const traded: Made = { ...at(100, 1_000), trades: [{ cell: 32, side: 1, lots: 50 }] };
    paint(ring([traded, { number: 101, known: 0, state: BROKEN }, at(102, 1_000)]));
    const filled = calls.indexOf("fill()");
    expect(filled).toBeGreaterThan(0);
    expect(calls.slice(filled)).toContain("fillRect(90,0,5,128)");
  });

  it("begins anew when time goes back", () => {
    const { picture, paint } = stage();
    paint(ring([at(200, 9_000)]));
    paint(ring([at(100, 1_000)]));
    expect(picture.prices.centre).toBe(1_000);
  });

  it("puts several rows on a pixel when prices are zoomed out", () => {
    const { picture, paint, calls } = stage();
    picture.zoom = 4;
    paint(ring([at(100, 1_000)]));
    expect(picture.prices.ticks).toBe(256); // 128 pixels: two ticks on each
    const drawn = calls.find((call) => call.startsWith("drawImage"))!;
    expect(drawn.split(",")[4]).toBe("128"); // rows that are copied
  });

  it("paints its hatches in the colours of the theme that is on", () => {
    const { on, paint, calls } = stage();
    const columns = ring([at(100, 1_000), at(110, 1_000)]);
    paint(columns);
    on.palette = PALETTES.light;
    paint(columns);
    expect(calls[0]).toBe(`fillStyle=${PALETTES.light.ground}`);
    expect(calls.filter((call) => call === "clip()")).toHaveLength(1);
  });
});
