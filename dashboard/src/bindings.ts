// What each key does on the board.

import type { Board } from "./board";
import type { Key } from "./keys";
import { toggleTheme } from "./theme";
import { toggleZone } from "./time";
import { SPANS } from "./view";

const PART = 8; // of what is shown, that one press goes through

/** Goes through time by so many columns, as far as can be held; past the newest it follows again. */
export function scroll(board: Board, by: number): void {
  const { newest, size } = board.columns;
  if (newest < 0) return;
  const end = (board.view.end() ?? newest) + by;
  const first = Math.max(0, newest - size + 1) + board.view.span() - 1;
  board.view.freeze(end >= newest ? null : Math.max(end, Math.min(first, newest)));
}

export function zoom(board: Board, closer: boolean): void {
  const span = board.view.span();
  const next = closer ? SPANS.findLast((s) => s < span) : SPANS.find((s) => s > span);
  if (next !== undefined) board.view.setSpan(next);
}

export function freeze(board: Board): void {
  const frozen = board.view.end() !== null;
  if (frozen || board.columns.newest >= 0) board.view.freeze(frozen ? null : board.columns.newest);
}

export function step(board: Board, by: number): void {
  const count = board.hello()?.instruments.length ?? 0;
  if (count > 1) board.watch((board.watched() + by + count) % count);
}

// Heard by a picture that has the focus (parts/Plot.tsx, panes/Heat.tsx), not here.
const act = () => {};
const PICTURE: readonly Key[] = [
  { keys: [], shown: "⇧ ← → ↑ ↓", does: "the cursor, in a picture that has the focus", act },
  { keys: [], shown: "↑ ↓", does: "higher and lower prices, in the book", act },
  { keys: [], shown: "PgUp PgDn", does: "prices closer and further, in the book", act },
  { keys: [], shown: "c", does: "in the book, back to the price of now as well", act },
];

export function bindings(board: Board, help: () => void): Key[] {
  const some = () => Math.max(1, Math.round(board.view.span() / PART));
  return [
    { keys: ["?"], shown: "?", does: "this list", act: help },
    { keys: ["t"], shown: "t", does: "dark or light", act: toggleTheme },
    { keys: ["u"], shown: "u", does: "UTC or local time", act: toggleZone },
    { keys: ["f"], shown: "f", does: "freeze, or follow the newest", act: () => freeze(board) },
    { keys: ["ArrowLeft"], shown: "←", does: "back in time", act: () => scroll(board, -some()) },
    { keys: ["ArrowRight"], shown: "→", does: "forth", act: () => scroll(board, some()) },
    { keys: ["End", "c"], shown: "End c", does: "the newest", act: () => board.view.freeze(null) },
    { keys: ["+", "="], shown: "+", does: "less time, closer", act: () => zoom(board, true) },
    { keys: ["-"], shown: "-", does: "more time", act: () => zoom(board, false) },
    { keys: ["["], shown: "[", does: "instrument before", act: () => step(board, -1) },
    { keys: ["]"], shown: "]", does: "next instrument", act: () => step(board, 1) },
    ...PICTURE,
  ];
}
