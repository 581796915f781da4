import { expect, test } from "vitest";
import type { Link } from "./board";
import { status } from "./testing/says";
import { feedSign, MODES, verdict } from "./trust";

const OPEN: Link = { phase: "open", since: 0, why: "" };
const WELL = status(10_000, 0, false);

test.each([
  ["UP TO DATE", OPEN, false, WELL, []],
  ["WAITING", OPEN, false, undefined, []],
  ["NOT HEARD", OPEN, true, WELL, []],
  ["NOT HEARD", { phase: "lost", since: 0, why: "It is gone." }, false, WELL, ["It is gone."]],
  ["REFUSED", { phase: "refused", since: 0, why: "No key." }, true, WELL, ["No key."]],
  ["NOT READY", OPEN, false, status(10_000, 0, true), ["binance: resync: the book has a gap"]],
  ["IN DOUBT", OPEN, false, { ...WELL, breakers: ["feed"] }, ["breaker: feed"]],
] as const)("%s", (word, link, stale, told, reasons) => {
  expect(verdict(link, stale, told)).toMatchObject({ word, reasons });
});

test("no two states of a feed look the same but for their colour", () => {
  const states = ["live", "connecting", "resync", "stale", "down", "stopped", "never heard of"];
  expect(new Set(states.map((one) => feedSign(one).shape)).size).toBe(states.length);
  expect(new Set(Object.values(MODES).map((mode) => mode.shape)).size).toBe(4);
});
