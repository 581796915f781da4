// Columns that were not received: each is asked for once, and again only of another connection.

import type { Columns } from "./columns";

export const BLOCK = 600; // columns of one question about older ones: a minute
type Span = [number, number]; // first, last

export interface Holes {
  /** Asks for them. */
  found(holes: readonly Span[]): void;
  /** The server has none of these. */
  gone(first: number, last: number): void;
  /** Asks for what is older than what is held, from the block of `first` on. */
  older(first: number): void;
  /** Another connection: what was asked and has not come is asked again. */
  again(): void;
  clear(): void;
}

/** The stretches of the numbers from `first` to `last` of which all are so. */
function* runs(first: number, last: number, so: (n: number) => boolean): Generator<Span> {
  let start = -1;
  for (let n = first; n <= last + 1; n++) {
    const open = n <= last && so(n);
    if (open && start < 0) start = n;
    if (!open && start >= 0) {
      yield [start, n - 1];
      start = -1;
    }
  }
}

/** ask: -> whether the question went out. */
export function createHoles(
  columns: Columns,
  ask: (first: number, last: number) => boolean,
): Holes {
  let asked: Span[] = []; // and not answered as far as is known
  let lost: Span[] = [];
  const blocks = new Set<number>();

  const isGone = (n: number) => lost.some(([first, last]) => first <= n && n <= last);
  const missing = (n: number) =>
    n > columns.newest - columns.size && columns.place(n) < 0 && !isGone(n);

  function put(first: number, last: number): void {
    asked.push([first, last]);
    ask(first, last);
  }

  /** The parts of a span that are still missing. */
  const parts = ([first, last]: Span) =>
    runs(Math.max(first, columns.newest - columns.size + 1), last, missing);

  return {
    found(holes) {
      for (const [first, last] of holes) put(first, last);
      const edge = columns.newest - columns.size;
      if (asked.length > 64) asked = asked.flatMap((span) => [...parts(span)]);
      lost = lost.filter(([, last]) => last > edge);
    },
    gone(first, last) {
      lost.push([first, last]);
    },
    older(first) {
      if (columns.newest < 0) return;
      const edge = Math.max(0, columns.newest - columns.size + 1);
      for (let k = Math.floor(Math.max(first, edge) / BLOCK); k * BLOCK < columns.oldest; k++) {
        if (blocks.has(k)) continue;
        blocks.add(k);
        put(Math.max(k * BLOCK, edge), Math.min(k * BLOCK + BLOCK, columns.oldest) - 1);
      }
    },
    again() {
      const spans = asked;
      asked = [];
      for (const span of spans) for (const [first, last] of parts(span)) put(first, last);
    },
    clear() {
      asked = [];
      lost = [];
      blocks.clear();
    },
  };
}
