// The WebSocket to the server: kept open, watched for silence, with the key where one is asked for.

import { type Accessor, createSignal } from "solid-js";
import { createAttempts } from "./attempts";
import type { Link } from "./board";
import type { Ask } from "./told";

export const PROTOCOLS = { board: "flowsense.board.v1", key: "flowsense.key." } as const;
export const KEY = "flowsense.key"; // in the session's storage

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

function protocols(key: string): string[] {
  return key ? [PROTOCOLS.board, PROTOCOLS.key + base64url(key)] : [PROTOCOLS.board];
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

/** What the link is in, and why; entering what it is in already does not change since when. */
function createPhase(): [Accessor<Link>, (phase: Link["phase"], why: string) => void] {
  const [link, setLink] = createSignal<Link>({ phase: "connecting", since: Date.now(), why: "" });
  return [
    link,
    (phase, why) => {
      const was = link();
      if (was.phase === phase && was.why === why) return;
      setLink({ phase, why, since: was.phase === phase ? was.since : Date.now() });
    },
  ];
}

export function createLink(options: LinkOptions): Connection {
  const [link, enter] = createPhase();
  const key = () => options.storage.getItem(KEY) ?? "";
  const attempts = createAttempts({
    open: () => options.open(protocols(key())),
    heard(data) {
      enter("open", "");
      options.heard(data);
    },
    lost: (why) => enter("lost", why),
    refused,
    probe: () => options.probe(key()),
  });
  const { stale, age, hurry, stop } = attempts;

  /** A key that is wrong is not kept. */
  function refused(why: string, status?: number): void {
    if (status === 401) options.storage.removeItem(KEY);
    enter("refused", why);
  }

  attempts.begin();
  return {
    ...{ link, stale, age },
    headers: () => authorization(key()),
    send: (ask) => link().phase === "open" && attempts.send(JSON.stringify(ask)),
    unlock(given) {
      options.storage.setItem(KEY, given);
      enter("connecting", "");
      hurry();
      attempts.begin();
    },
    refuse(why) {
      attempts.halt();
      enter("refused", why);
    },
    welcome: hurry,
    close: stop,
  };
}
