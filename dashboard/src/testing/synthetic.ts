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

/** The markets, and of each the columns that are kept. past: columns that are there at the start. */
function createStock(seed: number, start: number, past: number) {
  const markets = says.INSTRUMENTS.map((_, k) => createMarket(seed + k, start, 40_000 + 100 * k));
  const kept = markets.map(() => new Map<number, Made>());
  let number = start - 1;

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

  function gone(instrument: number, first: number, last: number): Topic[] {
    const out: Topic[] = [];
    for (let n = first; n <= last; n++)
      if (!kept[instrument]!.has(n)) out.push({ topic: "gone", instrument, first: n, last: n });
    return out;
  }

  function book(k: number): Topic {
    const { venue, symbol, tick, lot } = says.INSTRUMENTS[k]!;
    const side = (s: 1 | -1) => markets[k]!.levels(s).map(([p, n]) => [p * tick, n * lot] as const);
    const broken = fate(number) === BROKEN;
    const [bids, asks] = broken ? [[], []] : [side(1), side(-1)];
    return { topic: "book", venue, symbol, number, state: fate(number), bids, asks };
  }

  for (let k = 0; k < past; k++) make();
  return { newest: () => number, make, frames, gone, book };
}

type Stock = ReturnType<typeof createStock>;

/** What is told whole, of now. start: number of the first column. */
function createReport(stock: Stock, start: number) {
  const { newest } = stock;
  const acknowledged = new Set<string>();
  const time = () => newest() * GRID_MS;
  const second = () => Math.floor(time() / 1_000);
  const status = () => says.status(time(), start * GRID_MS, fate(newest()) === BROKEN);
  const alarms = () => says.alarms(time(), acknowledged);
  const marks = (after: number) => says.equity(after, second(), start * GRID_MS);

  function due(k: number): Topic[] {
    const number = newest();
    const out: Topic[] = [];
    if (number % 2 === 0) out.push(says.votes(number, time(), k), stock.book(k));
    if (number % 5 === 0) out.push(status());
    if (number % 10 === 0) out.push(marks(second()), says.latency(number));
    if (number % 100 === 0) out.push(says.calibration(number - start), says.drift(time()));
    return out;
  }

  function all(): Topic[] {
    return [
      ...[says.hello(time()), status(), alarms(), marks(second() - 600)],
      ...[says.calibration(newest() - start), says.latency(newest()), says.drift(time())],
    ];
  }

  function acknowledge(rule: string, subject: string): Topic {
    acknowledged.add(`${rule} ${subject}`);
    return alarms();
  }

  return { second, status, marks, due, all, acknowledge };
}

/** past: columns that are there at the start. */
export function createServer(seed = 1, now = Date.now(), past = 1_500): Server {
  const start = Math.floor(now / GRID_MS) - past;
  const stock = createStock(seed, start, past);
  const report = createReport(stock, start);
  let watched: number | undefined;

  function step(): (Topic | ArrayBuffer)[] {
    stock.make();
    const number = stock.newest();
    if (watched === undefined) return number % 5 === 0 ? [report.status()] : [];
    const columns = dropped(number) ? [] : stock.frames(watched, number, number);
    return [...columns, ...report.due(watched)];
  }

  function greet(): Topic[] {
    watched = undefined;
    return report.all();
  }

  function answer(ask: Ask): (Topic | ArrayBuffer)[] {
    if (ask.watch) {
      const { instrument, after, span } = ask.watch;
      const newest = stock.newest();
      watched = instrument;
      return stock.frames(watched, (after ?? newest - (span ?? 1_200)) + 1, newest);
    }
    if (ask.again) {
      const { instrument, first, last } = ask.again;
      return [...stock.frames(instrument, first, last), ...stock.gone(instrument, first, last)];
    }
    if (ask.acknowledge) return [report.acknowledge(ask.acknowledge.rule, ask.acknowledge.subject)];
    return [report.marks((ask.marks ?? report.second() - 600) + 1)];
  }

  return {
    get newest() {
      return stock.newest();
    },
    ...{ step, greet, answer },
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
