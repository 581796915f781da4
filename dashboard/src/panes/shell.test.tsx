// @vitest-environment jsdom
import { cleanup, render } from "@solidjs/testing-library";
import { createRoot } from "solid-js";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import Banner from "../parts/Banner";
import { createBoard, type LiveBoard } from "../state";
import { type Line, lines } from "../testing/line";
import * as says from "../testing/says";
import Alarms, { ordered } from "./Alarms";
import Status from "./Status";

const NOW = 1_700_000_000_000;
let board: LiveBoard;
let line: Line;
let dispose: () => void;

beforeEach(() => {
  vi.useFakeTimers({ now: NOW });
  createRoot((end) => {
    dispose = end;
    const made = lines();
    board = createBoard(made.options);
    line = made.newest();
  });
});
afterEach(() => {
  cleanup();
  dispose();
  vi.useRealTimers();
});

const words = (box: Element) => box.textContent?.replace(/\s+/g, " ");

test("the strip says what is known, and a dash where nothing is", () => {
  const { container } = render(() => <Status board={board} help={() => {}} />);
  expect(words(container)).toContain("waits for the server");

  line.say(says.hello(NOW));
  line.say(says.status(NOW, NOW - 500, false));

  expect(words(container)).toContain("✔ UP TO DATE");
  expect(words(container)).toContain("◇ SIMULATED");
  expect(words(container)).toContain("binance ● LIVE 13 ms 813/s");
  expect(words(container)).toContain("kraken ● LIVE – (no message yet)");
  expect(words(container)).toContain("p99 – (no prediction in the last minute)");
  expect(words(container)).toContain("gaps 2");
  expect(words(container)).toContain("ensemble 4f2a9c1b");
});

test("a book with a gap is told in the strip and across the page", () => {
  const strip = render(() => <Status board={board} help={() => {}} />).container;
  const banner = render(() => <Banner board={board} />).container;
  line.say(says.hello(NOW));
  line.say(says.status(NOW, NOW - 5_000, true));

  expect(words(strip)).toContain("✖ NOT READY");
  expect(words(strip)).toContain("binance ◐ RESYNC 1.3 s");
  expect(words(banner)).toContain("not ready: binance: resync: the book has a gap");
});

test("within two seconds of silence it is said since when", () => {
  const banner = render(() => <Banner board={board} />).container;
  line.say(says.hello(NOW));
  line.say(says.status(NOW, NOW - 5_000, false));
  expect(words(banner)).toBe("");

  vi.advanceTimersByTime(2_000);
  expect(words(banner)).toContain("The server has not been heard since 22:13:20 UTC (2.0 s)");

  line.say(says.status(NOW, NOW - 5_000, false));
  expect(words(banner)).toBe("");
});

test("a connection that is lost is told at once", async () => {
  const banner = render(() => <Banner board={board} />).container;
  line.open();
  line.say(says.hello(NOW));
  line.end(1001, "The server stops.");

  expect(words(banner)).toContain("The server stops. It is tried again every second.");
});

test("a key is asked for", () => {
  const banner = render(() => <Banner board={board} />).container;
  line.end(1008, "A key is needed.");
  const input = banner.querySelector("input")!;
  input.value = " open sesame ";
  banner.querySelector("form")!.requestSubmit();

  expect(board.link().phase).toBe("connecting");
});

test("alarms: what is critical and unseen first, and who may can acknowledge it", () => {
  const { container } = render(() => <Alarms board={board} />);
  expect(words(container)).toContain("waits for alarms");
  line.say(says.hello(NOW));
  line.say(says.alarms(NOW, new Set()));

  const [first, second] = container.querySelectorAll("li");
  expect(words(first!)).toContain("✖ critical since 22:13:08, 12 s");
  expect(words(first!)).toContain("→ look at the venue's own status");
  expect(words(second!)).toContain("▲ warning");
  first!.querySelector("button")!.click();
  expect(line.sent.at(-1)).toEqual({ acknowledge: { rule: "feed_down", subject: "kraken" } });

  line.say(says.alarms(NOW, new Set(["feed_down kraken"])));
  expect(words(container)).toContain("2 now, 1 unseen");
  expect(words(container.querySelectorAll("li")[1]!)).toContain("acknowledged");
  line.say({ topic: "alarms", alarms: [] });
  expect(words(container)).toContain("none now");
});

test("who may only read has no button", () => {
  const { container } = render(() => <Alarms board={board} />);
  line.say({ ...says.hello(NOW), admin: false });
  line.say(says.alarms(NOW, new Set()));

  expect(container.querySelector("button")).toBeNull();
});

test("the newest of equals is first", () => {
  const [one, other] = says.alarms(NOW, new Set()).alarms;
  const alarms = [{ ...one!, since: 1 }, { ...one!, since: 2 }, other!];

  expect(ordered(alarms).map((a) => a.since)).toEqual([other!.since, 2, 1]);
});
