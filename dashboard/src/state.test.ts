// @vitest-environment jsdom
import { createRoot } from "solid-js";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createBoard, type LiveBoard } from "./state";
import { encode } from "./testing/encode";
import { type Line, lines } from "./testing/line";
import * as says from "./testing/says";
import { createServer, type Server } from "./testing/synthetic";
import type { Ask } from "./told";

const NOW = 1_700_000_000_000;
let board: LiveBoard;
let dispose: () => void;
let made: ReturnType<typeof lines>;
let server: Server;

/** What the page asks is answered, and what is due is said. */
function serve(line: Line): void {
  for (let ask = line.sent.shift(); ask; ask = line.sent.shift())
    for (const one of server.answer(ask as Ask)) line.say(one);
}

function greet(line = made.newest()): Line {
  line.open();
  for (const one of server.greet()) line.say(one);
  serve(line);
  return line;
}

function run(columns: number, line = made.newest()): void {
  for (let k = 0; k < columns; k++) {
    for (const one of server.step()) line.say(one);
    serve(line);
  }
}

function missing(): number[] {
  const { columns } = board;
  const all = Array.from(
    { length: columns.newest - columns.oldest + 1 },
    (_, k) => columns.oldest + k,
  );
  return all.filter((n) => columns.place(n) < 0 && !(n % 900 >= 600 && n % 900 < 625));
}

beforeEach(() => {
  vi.useFakeTimers({ now: NOW });
  made = lines();
  server = createServer(1, NOW, 2_000);
  createRoot((end) => {
    dispose = end;
    board = createBoard(made.options);
  });
});
afterEach(() => {
  dispose();
  vi.useRealTimers();
});

test("after the greeting all panes have something to show", () => {
  const line = greet();
  expect(board.columns.newest).toBe(server.newest);
  run(100, line);

  for (const told of ["hello", "status", "votes", "book", "calibration", "equity"] as const)
    expect(board[told](), told).toBeDefined();
  for (const told of ["latency", "drift", "alarms"] as const)
    expect(board[told](), told).toBeDefined();
  expect(board.revision()).toBeGreaterThan(0);
  expect(board.equity()?.marks.length).toBeGreaterThan(600);
});

test("columns that were lost on their way are asked for, and all are there", () => {
  run(700, greet());

  expect(board.columns.newest).toBeGreaterThanOrEqual(server.newest - 3);
  expect(missing()).toEqual([]);
});

test("after the connection broke nothing is missing and nothing is there twice", async () => {
  run(40, greet());
  const before = board.columns.newest;
  made.newest().end(1001);
  for (let k = 0; k < 25; k++) server.step();
  await vi.advanceTimersByTimeAsync(300);
  const line = made.newest();
  line.open();
  for (const one of server.greet()) line.say(one);

  expect(line.sent).toContainEqual({ watch: { instrument: 0, after: before, span: 1_200 } });
  serve(line);
  run(30, line);
  expect(missing()).toEqual([]);
  expect(board.columns.oldest).toBeLessThan(before);
});

test("another instrument begins empty, and what comes late of the first is not taken", () => {
  const line = greet();
  run(4, line);
  board.watch(1);

  expect([board.columns.newest, board.votes(), board.book()]).toEqual([-1, undefined, undefined]);
  line.say(encode([{ number: 5 }], { instrument: 0 }));
  line.say(says.votes(1, NOW, 0));
  expect([board.columns.newest, board.votes()]).toEqual([-1, undefined]);
  serve(line);
  expect(board.columns.newest).toBe(server.newest);
  board.watch(7);
  expect(board.watched()).toBe(1);
});

test("a replay that began anew begins anew here", () => {
  const line = greet();
  expect(board.columns.newest).toBeGreaterThan(0);

  line.say(says.status(NOW, NOW - 5_000, false));

  expect(board.columns.newest).toBe(-1);
  expect(line.sent).toEqual([{ watch: { instrument: 0, after: null, span: 1_200 } }]);
});

test("after a model was swapped the watch goes on", () => {
  const line = greet();
  line.say({ ...says.hello(NOW), members: [] });

  expect(line.sent).toEqual([]);
  expect(board.hello()?.members).toEqual([]);
});

test("a server that hears nothing yet is asked once it does", () => {
  const line = made.newest();
  line.say({ ...says.hello(NOW), instruments: [] });
  expect(line.sent).toEqual([]);

  line.say(says.hello(NOW));
  line.say(says.hello(NOW));

  expect(line.sent).toEqual([{ watch: { instrument: 0, after: null, span: 1_200 } }]);
});

test("an instrument that moved in the list is found again", () => {
  const line = greet();
  const hello = says.hello(NOW);
  line.say({ ...hello, instruments: [...hello.instruments].reverse() });

  expect(board.watched()).toBe(1);
  expect(line.sent).toEqual([{ watch: { instrument: 1, after: server.newest, span: 1_200 } }]);
});

test("a server of another protocol is not listened to", async () => {
  const line = made.newest();
  line.open();
  line.say({ ...says.hello(NOW), protocol: 2 });
  await vi.advanceTimersByTimeAsync(3_000);

  expect(board.link()).toMatchObject({ phase: "refused" });
  expect(made.all).toHaveLength(1);
});

test("to look farther back asks for what is older", () => {
  const line = greet();
  const had = board.columns.oldest;
  board.view.setSpan(1_900);

  expect(line.sent.length).toBeGreaterThan(0);
  serve(line);
  expect(board.columns.oldest).toBeLessThanOrEqual(had - 600);
  expect(line.sent).toEqual([]);
});

test("what the server refused is told until it was seen", () => {
  const line = greet();
  line.say({ topic: "refusal", message: "This page may not." });
  expect(board.refusal()).toBe("This page may not.");

  board.dismiss();
  expect(board.refusal()).toBeUndefined();
});

test("an explanation is asked for with the key", async () => {
  const asked: [string, RequestInit][] = [];
  const explanation = { weights: {}, columns: { spread: 1 }, contributions: {}, costs: {} };
  vi.stubGlobal("fetch", async (url: string, how: RequestInit) => {
    asked.push([url, how]);
    return Response.json({ predictions: [], explanation });
  });
  await expect(board.explain()).rejects.toThrow("has not said");
  greet();
  board.unlock("secret");

  expect(await board.explain()).toEqual(explanation);
  expect(asked[0]?.[0]).toBe("/api/v1/predict?explain=1");
  expect(asked[0]?.[1].headers).toMatchObject({ authorization: "Bearer secret" });
  expect(asked[0]?.[1].body).toBe('{"instrument":"BTCUSDT","venue":"binance"}');
});

test("what the server says instead of an explanation is the reason", async () => {
  greet();
  const said = { code: "not_ready", message: "There is no prediction of BTCUSDT yet." };
  vi.stubGlobal("fetch", async () => Response.json(said, { status: 409 }));

  await expect(board.explain()).rejects.toThrow("There is no prediction of BTCUSDT yet.");
});
