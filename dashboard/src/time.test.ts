import { expect, test } from "vitest";
import { clock, ofColumn, ofNs, stamp } from "./time";

const AT = Date.UTC(2026, 1, 3, 4, 5, 6, 789);

test("UTC is the same everywhere", () => {
  expect(clock(AT, false, "UTC")).toBe("04:05:06");
  expect(clock(AT, true, "UTC")).toBe("04:05:06.7");
  expect(stamp(AT, "UTC")).toBe("2026-02-03 04:05:06");
});

test("local time is that of the reader", () => {
  const at = new Date(AT);
  const two = (n: number) => String(n).padStart(2, "0");

  expect(clock(AT, false, "local")).toBe(`${two(at.getHours())}:${two(at.getMinutes())}:06`);
});

test("no time is a dash", () => {
  expect([clock(Number.NaN), stamp(Number.NaN)]).toEqual(["–", "–"]);
});

test("times of messages and of columns are milliseconds here", () => {
  expect(ofNs(1_700_000_000_123_000_000)).toBe(1_700_000_000_123);
  expect(ofColumn(17_000_000_001, 100)).toBe(1_700_000_000_100);
});
