// A server in the page: what it says is made up from a seed. For development (`?synthetic`) and tests.

import type { Socket } from "../link";
import { type Ask, GRID_MS, KEPT, type Topic } from "../told";
import { BROKEN } from "../wire";
import { encode, type Made } from "./encode";
import { createMarket, fate, never } from "./market";
import * as says from "./says";

const FRAME = 200; // columns at most in one
/** Columns that get lost on their way: the page has to ask for them again. */
const dropped = (number: number) => number % 331 < 3;

export interface Server {
  /** The newest column's number. */
  readonly newest: number;
  /** Makes the next column and says what is due; -> messages. */
  step(): (Topic | ArrayBuffer)[];
  greet(): Topic[];
  answer(ask: Ask): (Topic | ArrayBuffer)[];
}

/** past: columns that are there at the start. */
export function createServer(seed = 1, now = Date.now(), past = 1_500): Server {
  const start = Math.floor(now / GRID_MS) - past;
  const started = start * GRID_MS;
  const markets = says.INSTRUMENTS.map((_, k) => createMarket(seed + k, start, 40_000 + 100 * k));
  const kept = markets.map(() => new Map<number, Made>());
  const acknowledged = new Set<string>();
  let number = start - 1;
  let watched: number | undefined;

  function make(): void {
    number++;
    markets.forEach((market, k) => {
      const made = market.next(number);
      if (!never(number)) kept[k]!.set(number, made);
      kept[k]!.delete(number - KEPT);
    });
  }

  function frames(instrument: number, first: number, last: number): ArrayBuffer[] {
    const out: ArrayBuffer[] = [];
    let some: Made[] = [];
    const flush = () => {
      const bucket = markets[instrument]!.bucket;
      if (some.length) out.push(encode(some, { instrument, bucket }));
      some = [];
    };
    for (let n = first; n <= last; n++) {
      const made = kept[instrument]!.get(n);
      if (made) some.push(made);
      if (some.length === FRAME) flush();
    }
    flush();
    return out;
  }

  const time = () => number * GRID_MS;
  const second = () => Math.floor(time() / 1_000);
  const status = () => says.status(time(), started, fate(number) === BROKEN);
  const book = (k: number): Topic => {
    const { venue, symbol, tick, lot } = says.INSTRUMENTS[k]!;
    const side = (s: 1 | -1) => markets[k]!.levels(s).map(([p, n]) => [p * tick, n * lot] as const);
    const broken = fate(number) === BROKEN;
    const [bids, asks] = broken ? [[], []] : [side(1), side(-1)];
    return { topic: "book", venue, symbol, number, state: fate(number), bids, asks };
  };

  function due(k: number): Topic[] {
    const out: Topic[] = [];
    if (number % 2 === 0) out.push(says.votes(number, time(), k), book(k));
    if (number % 5 === 0) out.push(status());
    if (number % 10 === 0) out.push(says.equity(second(), second(), started), says.latency(number));
    if (number % 100 === 0) out.push(says.calibration(number - start), says.drift(time()));
    return out;
  }

  function answer(ask: Ask): (Topic | ArrayBuffer)[] {
    if (ask.watch) {
      watched = ask.watch.instrument;
      const first = ask.watch.after == null ? number - (ask.watch.span ?? 1_200) : ask.watch.after;
      return frames(watched, first + 1, number);
    }
    if (ask.again) {
      const { instrument, first, last } = ask.again;
      const found = frames(instrument, first, last);
      const all = kept[instrument]!;
      const gone: Topic[] = [];
      for (let n = first; n <= last; n++)
        if (!all.has(n)) gone.push({ topic: "gone", instrument, first: n, last: n });
      return [...found, ...gone];
    }
    if (ask.acknowledge) {
      acknowledged.add(`${ask.acknowledge.rule} ${ask.acknowledge.subject}`);
      return [says.alarms(time(), acknowledged)];
    }
    const after = ask.marks ?? second() - 600;
    return [says.equity(after + 1, second(), started)];
  }

  for (let k = 0; k < past; k++) make();
  return {
    get newest() {
      return number;
    },
    step() {
      make();
      const out: (Topic | ArrayBuffer)[] = [];
      if (watched === undefined) return number % 5 === 0 ? [status()] : [];
      if (!dropped(number)) out.push(...frames(watched, number, number));
      return [...out, ...due(watched)];
    },
    greet() {
      watched = undefined;
      return [
        ...[says.hello(time()), status(), says.alarms(time(), acknowledged)],
        ...[says.equity(second() - 600, second(), started), says.calibration(number - start)],
        ...[says.latency(number), says.drift(time())],
      ];
    },
    answer,
  };
}

let server: Server | undefined;

/** A connection to the one server of this page; it says something every 100 ms. */
export function open(): Socket {
  server ??= createServer();
  const own = server;
  const deliver = (said: readonly (Topic | ArrayBuffer)[]) => {
    for (const one of said) {
      const data = one instanceof ArrayBuffer ? one : JSON.stringify(one);
      socket.onmessage?.({ data } as MessageEvent);
    }
  };
  let ticking: ReturnType<typeof setInterval> | undefined;
  const socket: Socket = {
    binaryType: "arraybuffer",
    onopen: null,
    onmessage: null,
    onclose: null,
    send: (text) => void setTimeout(() => deliver(own.answer(JSON.parse(text))), 5),
    close: () => clearInterval(ticking),
  };
  setTimeout(() => {
    socket.onopen?.(new Event("open"));
    deliver(own.greet());
    ticking = setInterval(() => deliver(own.step()), GRID_MS);
  }, 5);
  return socket;
}
