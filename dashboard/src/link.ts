// The WebSocket to the server: kept open, watched for silence, with the key where one is asked for.

import { type Accessor, createSignal } from "solid-js";
import type { Link } from "./board";
import type { Ask } from "./told";

export const PROTOCOLS = { board: "flowsense.board.v1", key: "flowsense.key." } as const;
export const KEY = "flowsense.key"; // in the session's storage
const FIRST_MS = 250; // before the first attempt to come back; doubled up to
const LONGEST_MS = 1_000;
const SILENT_MS = 1_500; // three statuses are missing: what is shown is not of now
const DEAD_MS = 4_000; // given up, and opened anew
const LOOK_MS = 250;
const POLICY = 1008; // close code: refused

/** What is used of a WebSocket. */
export interface Socket {
  binaryType: BinaryType;
  onopen: ((event: Event) => void) | null;
  onmessage: ((event: MessageEvent) => void) | null;
  onclose: ((event: CloseEvent) => void) | null;
  send(text: string): void;
  close(): void;
}

export interface LinkOptions {
  open: (protocols: string[]) => Socket;
  /** Why the server does not let us in, of which a browser tells nothing; undefined: it is not there. */
  probe: (key: string) => Promise<Denial | undefined>;
  storage: Pick<Storage, "getItem" | "setItem" | "removeItem">;
  heard: (data: string | ArrayBuffer) => void;
}

export interface Denial {
  readonly status: number;
  readonly message: string;
}

export interface Connection {
  readonly link: Accessor<Link>;
  readonly stale: Accessor<boolean>;
  readonly age: Accessor<number>;
  /** Headers of a request over HTTP. */
  headers(): Record<string, string>;
  /** -> whether it went out. */
  send(ask: Ask): boolean;
  /** Comes again with this key. */
  unlock(key: string): void;
  /** Closes for good. */
  refuse(why: string): void;
  /** The server was understood: the next attempt comes at once again. */
  welcome(): void;
  close(): void;
}

/** Letters that a subprotocol may have. */
export function base64url(text: string): string {
  const bytes = new TextEncoder().encode(text);
  const raw = btoa(String.fromCharCode(...bytes));
  return raw.replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
}

function authorization(key: string): Record<string, string> {
  return key ? { authorization: `Bearer ${key}` } : {};
}

/** Asks over HTTP what the handshake did not tell. */
export async function probe(key: string): Promise<Denial | undefined> {
  try {
    const headers = authorization(key);
    const signal = AbortSignal.timeout(1_000);
    const answer = await fetch("/api/v1/models/status", { headers, signal });
    if (answer.ok) return undefined;
    const said = (await answer.json()) as { message?: string };
    return { status: answer.status, message: said.message ?? `It answers ${answer.status}.` };
  } catch {
    return undefined;
  }
}

export function createLink(options: LinkOptions): Connection {
  const [link, setLink] = createSignal<Link>({ phase: "connecting", since: Date.now(), why: "" });
  const [stale, setStale] = createSignal(false);
  const [age, setAge] = createSignal(0);
  let socket: Socket | undefined;
  let begun = 0; // when this attempt was
  let heard = 0; // 0: never
  let delay = FIRST_MS;
  let retry: ReturnType<typeof setTimeout> | undefined;
  let closed = false;
  const look = setInterval(watch, LOOK_MS);
  const key = () => options.storage.getItem(KEY) ?? "";

  function enter(phase: Link["phase"], why: string): void {
    const was = link();
    if (was.phase === phase && was.why === why) return;
    setLink({ phase, why, since: was.phase === phase ? was.since : Date.now() });
  }

  function connect(): void {
    clearTimeout(retry);
    drop();
    const protocols: string[] = [PROTOCOLS.board];
    if (key()) protocols.push(PROTOCOLS.key + base64url(key()));
    const mine = options.open(protocols);
    let opened = false;
    socket = mine;
    begun = Date.now();
    mine.binaryType = "arraybuffer";
    mine.onopen = () => {
      opened = true;
    };
    mine.onmessage = (event) => {
      heard = Date.now();
      setStale(false);
      setAge(0);
      enter("open", "");
      options.heard(event.data);
    };
    mine.onclose = (event) => {
      if (socket !== mine) return;
      socket = undefined;
      if (event.code === POLICY) enter("refused", event.reason || "The server refuses this page.");
      else if (opened) lost(event.reason || "The connection was closed.");
      else void denied();
    };
  }

  async function denied(): Promise<void> {
    const why = await options.probe(key());
    if (closed || socket) return;
    if (why?.status === 401) {
      options.storage.removeItem(KEY);
      enter("refused", why.message);
    } else lost(why?.message ?? "The server does not answer.");
  }

  function lost(why: string): void {
    enter("lost", why);
    retry = setTimeout(connect, delay);
    delay = Math.min(delay * 2, LONGEST_MS);
  }

  function drop(): void {
    const old = socket;
    socket = undefined;
    old?.close();
  }

  function watch(): void {
    const now = Date.now();
    if (heard && now - heard > SILENT_MS) {
      setStale(true);
      setAge(now - heard);
    }
    if (socket && now - Math.max(heard, begun) > DEAD_MS) {
      drop();
      lost("The server says nothing.");
    }
  }

  connect();
  return {
    link,
    stale,
    age,
    headers: () => authorization(key()),
    send(ask) {
      if (!socket || link().phase !== "open") return false;
      socket.send(JSON.stringify(ask));
      return true;
    },
    unlock(given) {
      options.storage.setItem(KEY, given);
      enter("connecting", "");
      delay = FIRST_MS;
      connect();
    },
    refuse(why) {
      clearTimeout(retry);
      drop();
      enter("refused", why);
    },
    welcome() {
      delay = FIRST_MS;
    },
    close() {
      closed = true;
      clearTimeout(retry);
      clearInterval(look);
      drop();
    },
  };
}
