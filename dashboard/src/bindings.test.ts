// @vitest-environment jsdom
import { createRoot } from "solid-js";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { bindings } from "./bindings";
import { listen } from "./keys";
import { createBoard, type LiveBoard } from "./state";
import { encode } from "./testing/encode";
import { type Line, lines } from "./testing/line";
import { hello } from "./testing/says";
import { theme } from "./theme";
import { zone } from "./time";

let board: LiveBoard;
let line: Line;
let stop: () => void;
const help = vi.fn();

function press(key: string, on: EventTarget = document.body, more: KeyboardEventInit = {}): void {
  on.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true, ...more }));
}

beforeEach(() => {
  createRoot((dispose) => {
    const made = lines();
    board = createBoard(made.options);
    line = made.newest();
    const deaf = listen(document, bindings(board, help));
    stop = () => {
      deaf();
      dispose();
    };
  });
  line.say(hello(0));
  line.say(encode(Array.from({ length: 2_000 }, (_, k) => ({ number: 1_000 + k }))));
});
afterEach(() => stop());

test("through time: back, no farther than can be held, and forth to the newest", () => {
  press("ArrowLeft");
  expect(board.view.end()).toBe(2_999 - 150);
  for (let k = 0; k < 20; k++) press("ArrowLeft");
  expect(board.view.end()).toBe(1_200 - 1);
  press("ArrowRight");
  expect(board.view.end()).toBe(1_199 + 150);
  press("End");
  expect(board.view.end()).toBeNull();
  press("ArrowRight");
  expect(board.view.end()).toBeNull();
});

test("c follows the newest, wherever the focus is", () => {
  press("f");
  expect(board.view.end()).not.toBeNull();
  press("c");
  expect(board.view.end()).toBeNull();
});

test("what is not held is asked for where one looks", () => {
  for (let k = 0; k < 9; k++) press("ArrowLeft");
  const asked = line.sent.filter((ask) => Object.hasOwn(ask as object, "again"));

  expect(asked).toEqual(
    [
      { again: { instrument: 0, first: 0, last: 599 } },
      { again: { instrument: 0, first: 600, last: 999 } },
    ].reverse(),
  );
});

test("freeze and follow", () => {
  press("f");
  expect(board.view.end()).toBe(2_999);
  press("f");
  expect(board.view.end()).toBeNull();
});

test("closer and farther, between bounds", () => {
  press("+");
  expect(board.view.span()).toBe(600);
  for (let k = 0; k < 9; k++) press("-");
  expect(board.view.span()).toBe(6_000);
});

test("instruments go round", () => {
  press("[");
  expect(board.watched()).toBe(1);
  press("]");
  expect(board.watched()).toBe(0);
});

test("theme, zone, list", () => {
  const before = [theme(), zone()];
  press("t");
  press("u");
  press("?");
  expect([theme(), zone()]).not.toEqual(before);
  expect(document.documentElement.dataset.theme).toBe(theme());
  expect(help).toHaveBeenCalledOnce();
});

test("who types, or means the browser, is left alone", () => {
  const input = document.body.appendChild(document.createElement("input"));
  press("f", input);
  press("f", document.body, { ctrlKey: true });
  expect(board.view.end()).toBeNull();
});
