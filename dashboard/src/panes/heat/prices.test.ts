// @vitest-environment jsdom
import { createRoot } from "solid-js";
import { afterEach, beforeEach, expect, test } from "vitest";
import { FOOT, Picture } from "../../draw/picture";
import { createBare } from "../../testing/bare";
import { createPrices, type Prices } from "./prices";

const HEIGHT = 100;
let picture: Picture;
let prices: Prices;
let dispose: () => void;

beforeEach(() => {
  picture = new Picture();
  Object.assign(picture.prices, { centre: 1_000, ticks: 50, height: HEIGHT });
  createRoot((end) => {
    dispose = end;
    prices = createPrices(createBare(() => Promise.reject()).board, picture);
  });
});
afterEach(() => dispose());

const at = (y: number) => ({ y, height: HEIGHT + FOOT });
const press = (key: string, shiftKey = false) =>
  prices.key(new KeyboardEvent("keydown", { key, shiftKey }));
const turn = (deltaY: number, shiftKey = true) =>
  prices.wheel(new WheelEvent("wheel", { deltaY, shiftKey }));

test("a pointer that rests is at another price once prices have moved", () => {
  prices.point(at(25));
  const before = prices.price()!;
  prices.lift(0.1);
  prices.rest();
  expect(prices.price()! - before).toBeCloseTo(5);
  expect(prices.level()).toBeCloseTo(25);
});

test("below the prices, at the times, the pointer is at none", () => {
  prices.point(at(HEIGHT + 1));
  expect([prices.price(), prices.level()]).toEqual([undefined, undefined]);
});

test("prices that were moved by hand do not follow until they are told to", () => {
  expect([press("ArrowDown"), prices.follow(), picture.prices.centre]).toEqual([true, false, 995]);
  expect([press("c"), prices.follow()]).toEqual([true, true]);
});

test("the keys take the cursor from the pointer, which then does not take it back", () => {
  prices.point(at(50));
  press("ArrowUp", true);
  const taken = prices.price();
  prices.rest();
  expect([taken! > 1_000, prices.price()]).toEqual([true, taken]);
  expect([press("Escape"), prices.price()]).toEqual([false, undefined]); // time's cursor goes, too
});

test("the wheel zooms prices with shift alone, and no farther than can be read", () => {
  expect([turn(1, false), picture.zoom]).toEqual([false, 1]);
  expect([turn(1), picture.zoom]).toEqual([true, 1.25]);
  for (let k = 0; k < 40; k++) press("PageUp");
  expect(picture.zoom).toBe(0.02);
});
