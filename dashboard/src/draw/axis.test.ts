import { describe, expect, it } from "vitest";
import { between, digits, PriceAxis, quantity, round125, TimeAxis } from "./axis";

describe("the time axis", () => {
  it("puts one column after the other from the left edge to the right", () => {
    const axis = new TimeAxis();
    axis.set(1_099, 100, 400);
    expect([axis.left, axis.per, axis.first, axis.last]).toEqual([1_000, 1, 1_000, 1_099]);
    expect([axis.x(1_000), axis.x(1_100)]).toEqual([0, 400]);
    expect([axis.at(0), axis.at(3.9), axis.at(4), axis.at(1e6)]).toEqual([1000, 1000, 1001, 1099]);
  });

  it("bins by number, so that scrolling by a column does not change what shares a pixel", () => {
    const axis = new TimeAxis();
    axis.set(5_999, 6_000, 800);
    expect([axis.per, axis.first, axis.last]).toEqual([8, 0, 749]);
    axis.set(6_000, 6_000, 800);
    expect([axis.per, axis.first, axis.last]).toEqual([8, 0, 750]);
    expect(axis.edge(0)).toBe(0);
  });
});

describe("the price axis", () => {
  const axis = new PriceAxis();
  Object.assign(axis, { centre: 1_000, ticks: 200, height: 400 });

  it("goes upwards", () => {
    expect([axis.y(1_100), axis.y(1_000), axis.y(900)]).toEqual([0, 200, 400]);
    expect(axis.at(axis.y(987.5))).toBeCloseTo(987.5, 9);
  });

  it("follows only what left its middle half, and arrives", () => {
    expect(axis.within(1_050)).toBe(true);
    expect(axis.within(1_051)).toBe(false);
    let frames = 1;
    while (!axis.towards(1_051)) frames++;
    expect(axis.centre).toBe(1_051);
    expect(frames).toBeLessThan(30);
  });
});

it("marks times at steps that people read", () => {
  expect(between(60_000, 800, 80)).toBe(10_000);
  expect(between(600_000, 800, 80)).toBe(60_000);
  expect(between(30_000, 800, 80)).toBe(5_000);
});

it.each([
  [1, 1],
  [1.1, 2],
  [2.5, 5],
  [5.01, 10],
  [0.03, 0.05],
  [70, 100],
])("rounds %d up to %d", (least, step) => expect(round125(least)).toBeCloseTo(step, 9));

it.each([
  [1, 0],
  [0.5, 1],
  [0.01, 2],
  [0.0000125, 7],
  [25, 0],
])("writes multiples of %d with %d digits", (tick, n) => expect(digits(tick)).toBe(n));

it.each([
  [0, "0"],
  [0.0123, "0.012"],
  [1.234, "1.23"],
  [12.34, "12.3"],
  [123.4, "123"],
  [12_345, "12.3 k"],
  [2_500_000, "2.50 M"],
])("writes the size %d as %s", (size, text) => expect(quantity(size)).toBe(text));
