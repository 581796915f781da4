import { describe, expect, it } from "vitest";
import { PALETTES } from "../palette";
import { axisOf, columnsOf, recording } from "../testing/drawn";
import type { Made } from "../testing/encode";
import { BROKEN, IMBALANCE, OFI1, OFI5, OFI10, WHOLE } from "../wire";
import { Bins, bars, steps } from "./flow";
import { GAP, MISSING, SEEN } from "./hatch";
import type { Surface } from "./surface";

const ALL = OFI1 | OFI5 | OFI10 | IMBALANCE;
const pushed = (number: number, ofi: number, cvd: number, imbalance = 0): Made => ({
  ...{ number, state: WHOLE, known: ALL, cvd, imbalance },
  ...{ ofi1: ofi, ofi5: 2 * ofi, ofi10: 3 * ofi },
});

function surface(): { on: Surface; calls: string[] } {
  const { calls, context } = recording();
  const on = { context, width: 100, height: 20, ratio: 1, palette: PALETTES.dark };
  return { on, calls };
}

describe("bins of flow", () => {
  it("sum the OFI, end with the CVD, and average the imbalance", () => {
    const made = [pushed(8, 1, 10, 1), pushed(9, -3, 12, -0.5), pushed(10, 2, 7), pushed(11, 5, 9)];
    const bins = new Bins(16);
    bins.fill(columnsOf(made), axisOf(11, 4, 2));
    expect([...bins.ofi[1].slice(0, 2)]).toEqual([-2, 7]);
    expect([...bins.ofi[10].slice(0, 2)]).toEqual([-6, 21]);
    expect([...bins.cvd.slice(0, 2)]).toEqual([12, 9]);
    expect(bins.imbalance[0]).toBe(0.25);
    expect([bins.reach(10), bins.low, bins.high, bins.start()]).toEqual([21, 9, 12, 12]);
    expect([bins.reach(1), bins.reach(5)]).toEqual([7, 14]);
  });

  it("know nothing of gaps, and do not take it for 0", () => {
    const gap: Made = { ...pushed(9, 99, 99), known: 0, state: BROKEN };
    const bins = new Bins(16);
    bins.fill(columnsOf([pushed(8, 1, 10), gap, pushed(11, 2, 13)]), axisOf(11, 4, 4));
    expect([...bins.ofi[5].slice(0, 4)]).toEqual([2, Number.NaN, Number.NaN, 4]);
    expect([...bins.cvd.slice(0, 4)]).toEqual([10, Number.NaN, Number.NaN, 13]);
    expect([8, 9, 10, 11].map((bin) => bins.verdict(bin))).toEqual([SEEN, GAP, MISSING, SEEN]);
  });

  it("leave out what a column does not know", () => {
    const bins = new Bins(16);
    bins.fill(columnsOf([{ ...pushed(8, 4, 1), known: OFI1 }]), axisOf(8, 1, 1));
    expect([bins.ofi[1][0], bins.ofi[5][0]]).toEqual([4, Number.NaN]);
    expect(bins.imbalance[0]).toBeNaN();
  });
});

const lane = { top: 0, height: 20, low: -10, high: 10 };

it("draws bars up and down from 0, and none for what is not known", () => {
  const { on, calls } = surface();
  bars(on, axisOf(12, 3, 30), 10, Float64Array.of(5, Number.NaN, -10), 3, lane);
  const rectangles = calls.filter((call) => call.startsWith("fillRect"));
  expect(rectangles).toEqual(["fillRect(0,5,9,5)", "fillRect(20,10,9,10)"]);
  expect(calls[0]).toBe(`fillStyle=${PALETTES.dark.up}`);
});

it("begins a line anew after a gap", () => {
  const { on, calls } = surface();
  steps(on, axisOf(12, 3, 30), 10, Float64Array.of(5, Number.NaN, -10), 3, lane);
  expect(calls.filter((call) => call.startsWith("moveTo"))).toEqual([
    "moveTo(0,5)",
    "moveTo(20,20)",
  ]);
  expect(calls.filter((call) => call.startsWith("lineTo"))).toHaveLength(2);
});
