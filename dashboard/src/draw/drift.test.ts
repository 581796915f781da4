import { expect, it } from "vitest";
import type { DriftNow } from "../told";
import { end, ROOM, shifts } from "./drift";

function drift(...psi: [string, number][]): DriftNow {
  return { topic: "drift", psi, limit: 0.25, reference: "training", drifts: [], swaps: [] };
}

it("shows the greatest first, on one axis that ends at it", () => {
  const found = shifts(drift(["a", 0.1], ["b", 0.5]));
  expect(found.map((one) => [one.column, one.length, one.beyond])).toEqual([
    ["b", 1, true],
    ["a", 0.2, false],
  ]);
});

it("leaves the limit in sight while nothing is near it", () => {
  expect(end(drift(["a", 0.01]))).toBe(0.25 * ROOM);
  expect(end(drift())).toBe(0.25 * ROOM);
});

it("is not beyond the limit at the limit", () => {
  expect(shifts(drift(["a", 0.25]))[0]?.beyond).toBe(false);
});
