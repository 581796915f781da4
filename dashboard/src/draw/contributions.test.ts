import { describe, expect, it } from "vitest";
import { added, BASE, chance } from "./contributions";

describe("contributions", () => {
  const all = { a: 0.1, b: -0.5, c: 0.25, d: 0.05, [BASE]: -0.2 };

  it("name those that did most first, whatever their sign, and the rest together", () => {
    const found = added(all, { a: 1, b: 2 }, 2);
    expect(found?.top.map((one) => one.column)).toEqual(["b", "c"]);
    expect(found?.others).toBe(2);
    expect(found?.rest).toBeCloseTo(0.15);
    expect(found?.longest).toBe(0.5);
  });

  it("add up, with the base and the rest, to the log-odds", () => {
    expect(added(all, {}, 2)?.sum).toBeCloseTo(-0.3);
    expect(added(all, {}, 20)?.sum).toBeCloseTo(-0.3);
  });

  it("tell a value that the row misses as not known", () => {
    expect(added(all, { b: 0 }, 2)?.top.map((one) => one.value)).toEqual([0, null]);
  });

  it("are null where no exact ones are known, not an empty list", () => {
    expect(added({}, { a: 1 }, 5)).toBeNull();
    expect(added({ [BASE]: 0.5 }, {}, 5)?.sum).toBe(0.5);
  });
});

describe("chance", () => {
  it("is a half of even odds, and three quarters of three to one", () => {
    expect(chance(0)).toBe(0.5);
    expect(chance(Math.log(3))).toBeCloseTo(0.75);
  });
});
