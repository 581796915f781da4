import { expect, test } from "vitest";
import { duration, fixed, percent, short, signed, significant } from "./numbers";

test("what is not known is a dash", () => {
  for (const unknown of [null, undefined, Number.NaN, Number.POSITIVE_INFINITY])
    for (const format of [fixed, signed, percent, short, duration])
      expect(format(unknown)).toBe("–");
});

test.each([
  [fixed(1234567.891, 2), "1,234,567.89"],
  [fixed(-0.004, 2), "0.00"],
  [fixed(-12), "−12"],
  [signed(0.5, 1), "+0.5"],
  [signed(0.001, 1), "0.0"],
  [signed(-3), "−3"],
  [percent(0.5634, 1), "56.3 %"],
  [short(0), "0"],
  [short(19.84), "19.8"],
  [short(812.5), "813"],
  [short(999.9), "1.00k"],
  [short(2_410), "2.41k"],
  [short(-5_600_000), "−5.60M"],
  [significant(0.00123456, 3), "0.00123"],
  [significant(-42_013.17, 5), "−42013"],
  [significant(null, 3), "–"],
  [duration(0.84), "0.8 ms"],
  [duration(38.2), "38 ms"],
  [duration(1_340), "1.3 s"],
  [duration(59_400), "59 s"],
  [duration(95_000), "1 min"],
  [duration(7_300_000), "2 h"],
  [duration(200_000_000), "2 d"],
])("%s", (shown, expected) => {
  expect(shown).toBe(expected);
});
