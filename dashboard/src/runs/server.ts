// Questions over HTTP, with the board's key where there is one; whatever is refused is a sentence.

import { KEY } from "../link";
import type { Comparison, Problem, Runs } from "./told";

const AGAIN_MS = 1_000; // where the server does not say when to come back
const PATIENCE_MS = 120_000; // that a comparison may take, asked for again and again
const BUSY = [503, 504]; // what was asked for is still being made
export const SILENT = "silent"; // code: nobody answered

export class Refused extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly hint: string,
  ) {
    super(message);
  }
}

export interface ServerOptions {
  fetch: (path: string, init: RequestInit) => Promise<Response>;
  storage: Pick<Storage, "getItem" | "setItem" | "removeItem">;
  wait?: (ms: number, signal?: AbortSignal) => Promise<void>;
}

export interface Server {
  readonly keyed: () => boolean;
  unlock(key: string): void;
  list(signal?: AbortSignal): Promise<Runs>;
  compare(a: string, b: string, signal?: AbortSignal): Promise<Comparison>;
  page(path: string, signal?: AbortSignal): Promise<Blob>;
}

export function createServer(options: ServerOptions): Server {
  const { storage, wait = pause } = options;
  const key = () => storage.getItem(KEY) ?? "";

  async function ask(path: string, signal?: AbortSignal): Promise<Response> {
    for (let waited = 0; ; ) {
      const headers: Record<string, string> = key() ? { authorization: `Bearer ${key()}` } : {};
      const answer = await options.fetch(path, { headers, signal }).catch((error: unknown) => {
        if (signal?.aborted) throw error;
        throw new Refused(0, SILENT, "The server does not answer.", "");
      });
      if (answer.ok) return answer;
      if (answer.status === 401) storage.removeItem(KEY);
      const after = 1_000 * Number(answer.headers.get("retry-after")) || AGAIN_MS;
      if (!BUSY.includes(answer.status) || waited + after > PATIENCE_MS)
        throw await refusal(answer);
      await wait(after, signal);
      waited += after;
    }
  }

  return {
    keyed: () => key() !== "",
    unlock: (given) => storage.setItem(KEY, given),
    list: async (signal) => (await (await ask("/api/v1/runs", signal)).json()) as Runs,
    async compare(a, b, signal) {
      const asked = new URLSearchParams({ a, b });
      return (await (await ask(`/api/v1/runs/compare?${asked}`, signal)).json()) as Comparison;
    },
    async page(path, signal) {
      const text = await (await ask(path, signal)).text();
      return new Blob([text], { type: "text/html;charset=utf-8" });
    },
  };
}

async function refusal(answer: Response): Promise<Refused> {
  const said = (await answer.json().catch(() => ({}))) as Partial<Problem>;
  const message = said.message ?? `The server answers ${answer.status}.`;
  return new Refused(answer.status, said.code ?? "", message, said.hint ?? "");
}

function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((done, gone) => {
    const timer = setTimeout(done, ms);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      gone(signal.reason);
    });
  });
}
