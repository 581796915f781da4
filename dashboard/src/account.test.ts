import { expect, test } from "vitest";
import { createAccount } from "./account";
import { equity } from "./testing/says";

test("marks are told once each, by rising number", () => {
  const account = createAccount();
  account.take(equity(1, 3, 7));
  account.take(equity(3, 4, 7));
  const { equity: now, after } = account.take(equity(5, 5, 7));

  expect(now.marks.map((mark) => mark.number)).toEqual([1, 2, 3, 4, 5]);
  expect(now.now.marks).toHaveLength(1);
  expect(after).toBeUndefined();
});

test("a hole is asked for once and filled", () => {
  const account = createAccount();
  account.take(equity(1, 2, 7));
  expect(account.take(equity(5, 5, 7)).after).toBe(2);
  expect(account.take(equity(9, 9, 7)).after).toBe(5);
  const { equity: now, after } = account.take(equity(3, 6, 7));

  expect(after).toBeUndefined();
  expect(now.marks.map((mark) => mark.number)).toEqual([1, 2, 3, 4, 5, 6, 9]);
});

test("another account begins anew", () => {
  const account = createAccount();
  account.take(equity(1, 9, 7));

  expect(account.take(equity(2, 2, 8)).equity.marks).toHaveLength(1);
});
