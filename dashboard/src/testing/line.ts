// A socket that a test holds the other end of.

import type { Denial, LinkOptions, Socket } from "../link";

export class Line implements Socket {
  binaryType: BinaryType = "blob";
  onopen: Socket["onopen"] = null;
  onmessage: Socket["onmessage"] = null;
  onclose: Socket["onclose"] = null;
  readonly sent: unknown[] = [];
  closed = false;

  constructor(readonly protocols: string[]) {}

  send(text: string): void {
    this.sent.push(JSON.parse(text));
  }
  close(): void {
    this.closed = true;
  }
  open(): void {
    this.onopen?.(new Event("open"));
  }
  say(data: unknown): void {
    const text = data instanceof ArrayBuffer ? data : JSON.stringify(data);
    this.onmessage?.({ data: text } as MessageEvent);
  }
  end(code = 1006, reason = ""): void {
    this.onclose?.({ code, reason } as CloseEvent);
  }
}

export function memory(): LinkOptions["storage"] {
  const held = new Map<string, string>();
  return {
    getItem: (key) => held.get(key) ?? null,
    setItem: (key, value) => void held.set(key, value),
    removeItem: (key) => void held.delete(key),
  };
}

/** Every socket that was opened, the newest last. */
export function lines(denial?: Denial) {
  const all: Line[] = [];
  const open = (protocols: string[]) => {
    const line = new Line(protocols);
    all.push(line);
    return line;
  };
  const options = { open, storage: memory(), probe: async () => denial };
  return { all, options, newest: () => all[all.length - 1]! };
}
