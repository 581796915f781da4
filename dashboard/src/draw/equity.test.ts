import { describe, expect, it } from "vitest";
import type { Mark } from "../told";
import { Series } from "./equity";

function mark(number: number, net = number): Mark {
  return { number, net, gross: net + 1, hold: 0, drawdown: 0.25 };
}

describe("a series of marks", () => {
  it("has a null where seconds were never told, so that no line goes over them", () => {
    const series = new Series();
    series.take([mark(1), mark(2), mark(7)]);
    expect(series.x).toEqual([1, 2, 3, 7]);
    expect(series.net).toEqual([1, 2, null, 7]);
    expect(series.missing).toBe(4);
  });

  it("is the same however the marks came", () => {
    const all = [mark(1), mark(2), mark(4), mark(5), mark(9)];
    const whole = new Series();
    whole.take(all);
    const pieces = new Series();
    for (let k = 0; k <= all.length; k++) pieces.take(all.slice(0, k));
    expect(pieces.x).toEqual(whole.x);
    expect(pieces.gross).toEqual(whole.gross);
  });

  it("keeps its arrays and adds only what is new", () => {
    const series = new Series();
    const { x, net } = series;
    series.take([mark(1)]);
    expect(series.take([mark(1)])).toBe(false);
    expect(series.take([mark(1), mark(2)])).toBe(true);
    expect([series.x, series.net]).toEqual([x, net]);
    expect(series.x).toBe(x);
  });

  it("takes in marks that fill a hole or that came before all others", () => {
    const series = new Series();
    series.take([mark(2), mark(5)]);
    series.take([mark(2), mark(3), mark(4), mark(5)]);
    expect(series.net).toEqual([2, 3, 4, 5]);
    series.take([mark(1), mark(2), mark(3), mark(4), mark(5)]);
    expect(series.x).toEqual([1, 2, 3, 4, 5]);
  });

  it("drops what is no longer kept at the front, and keeps the rest", () => {
    const series = new Series();
    series.take([mark(1), mark(2), mark(5), mark(6)]);
    expect(series.take([mark(5), mark(6)])).toBe(true);
    expect(series.net).toEqual([5, 6]);
    series.take([mark(6), mark(7)]);
    expect(series.x).toEqual([6, 7]);
    expect(series.missing).toBe(0);
  });

  it("begins anew with another account, and is empty of an empty one", () => {
    const series = new Series();
    series.take([mark(5), mark(6)]);
    series.take([mark(1)]);
    expect(series.x).toEqual([1]);
    series.take([]);
    expect(series.x).toEqual([]);
    expect(series.missing).toBe(0);
  });

  it("draws drawdown downwards, and none as 0", () => {
    const series = new Series();
    series.take([mark(1), { ...mark(2), drawdown: 0 }]);
    expect(series.drawdown).toEqual([-0.25, 0]);
  });
});
