// One socket after another: opened again when it closes, given up when it falls silent.

import { type Accessor, createSignal } from "solid-js";
import type { Denial, Socket } from "./link";

const FIRST_MS = 250; // before the first attempt to come back; doubled up to
const LONGEST_MS = 1_000;
const SILENT_MS = 1_500; // three statuses are missing: what is shown is not of now
const DEAD_MS = 4_000; // given up, and opened anew
const LOOK_MS = 250;
const POLICY = 1008; // close code: refused

export interface Trial {
  open: () => Socket;
  heard: (data: string | ArrayBuffer) => void;
  lost: (why: string) => void;
  /** No attempt follows. The status is that of HTTP, where one was told. */
  refused: (why: string, status?: number) => void;
  /** Why the server does not let us in; undefined: it is not there. */
  probe: () => Promise<Denial | undefined>;
}

export interface Attempts {
  readonly stale: Accessor<boolean>;
  readonly age: Accessor<number>;
  /** Makes an attempt now, whatever was open before. */
  begin(): void;
  /** The next attempt comes soon again. */
  hurry(): void;
  /** -> whether there is a socket for it. */
  send(text: string): boolean;
  /** Until the next `begin`. */
  halt(): void;
  /** For good. */
  stop(): void;
}

export function createAttempts(trial: Trial): Attempts {
  const hearing = createHearing();
  const held = createHeld({ open: trial.open, heard, ended });
  const retry = createRetry(begin);
  let stopped = false;
  const look = setInterval(watch, LOOK_MS);

  function begin(): void {
    retry.cancel();
    held.open();
  }

  function heard(data: string | ArrayBuffer): void {
    hearing.hear();
    trial.heard(data);
  }

  function ended(event: CloseEvent, opened: boolean): void {
    if (event.code === POLICY) trial.refused(event.reason || "The server refuses this page.");
    else if (opened) lost(event.reason || "The connection was closed.");
    else void denied();
  }

  async function denied(): Promise<void> {
    const why = await trial.probe();
    if (stopped || held.since() !== undefined) return;
    if (why?.status === 401) trial.refused(why.message, why.status);
    else lost(why?.message ?? "The server does not answer.");
  }

  function lost(why: string): void {
    trial.lost(why);
    retry.wait();
  }

  function watch(): void {
    const now = Date.now();
    hearing.look(now);
    const since = held.since();
    if (since === undefined || now - Math.max(hearing.last(), since) <= DEAD_MS) return;
    held.drop();
    lost("The server says nothing.");
  }

  function halt(): void {
    retry.cancel();
    held.drop();
  }

  function stop(): void {
    stopped = true;
    clearInterval(look);
    halt();
  }

  const { stale, age } = hearing;
  return { stale, age, begin, hurry: retry.hurry, send: held.send, halt, stop };
}

/** The next attempt, later each time. */
function createRetry(begin: () => void) {
  let delay = FIRST_MS;
  let timer: ReturnType<typeof setTimeout> | undefined;

  function wait(): void {
    timer = setTimeout(begin, delay);
    delay = Math.min(delay * 2, LONGEST_MS);
  }

  function hurry(): void {
    delay = FIRST_MS;
  }

  return { wait, hurry, cancel: () => clearTimeout(timer) };
}

/** When the server was last heard, over whichever socket. */
function createHearing() {
  const [stale, setStale] = createSignal(false);
  const [age, setAge] = createSignal(0);
  let last = 0; // 0: never

  function hear(): void {
    last = Date.now();
    setStale(false);
    setAge(0);
  }

  function look(now: number): void {
    if (!last || now - last <= SILENT_MS) return;
    setStale(true);
    setAge(now - last);
  }

  return { stale, age, last: () => last, hear, look };
}

interface Ends {
  open: () => Socket;
  heard: (data: string | ArrayBuffer) => void;
  ended: (event: CloseEvent, opened: boolean) => void;
}

/** The one socket that is held; how one ends that was dropped is of no matter. */
function createHeld(ends: Ends) {
  let socket: Socket | undefined;
  let begun = 0;

  function open(): void {
    drop();
    const mine = ends.open();
    let opened = false;
    socket = mine;
    begun = Date.now();
    mine.binaryType = "arraybuffer";
    mine.onopen = () => {
      opened = true;
    };
    mine.onmessage = (event) => ends.heard(event.data);
    mine.onclose = (event) => {
      if (socket !== mine) return;
      socket = undefined;
      ends.ended(event, opened);
    };
  }

  function drop(): void {
    const old = socket;
    socket = undefined;
    old?.close();
  }

  function send(text: string): boolean {
    socket?.send(text);
    return socket !== undefined;
  }

  return { open, drop, send, since: () => (socket ? begun : undefined) };
}
