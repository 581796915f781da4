// @vitest-environment jsdom
import { describe, expect, it } from "vitest";
import type { Board } from "../board";
import { columnsOf } from "../testing/drawn";
import { createView } from "../view";
import { scrub } from "./Plot";

function boardOf(newest: number): Board {
  const columns = columnsOf([{ number: newest }], 4, 1, 6_000);
  return { columns, view: createView(columns.size) } as Partial<Board> as Board;
}

describe("scrolling back", () => {
  it("freezes at a column, and follows again at the newest", () => {
    const board = boardOf(100_000);
    scrub(board, 99_500.4);
    expect(board.view.end()).toBe(99_500);
    scrub(board, 100_000);
    expect(board.view.end()).toBeNull();
  });

  it("stops where the ring ends", () => {
    const board = boardOf(100_000);
    scrub(board, 0);
    expect(board.view.end()).toBe(100_000 - 6_000 + board.view.span());
  });

  it("does nothing before there is a column", () => {
    const board = boardOf(5);
    board.columns.clear(4);
    scrub(board, 3);
    expect(board.view.end()).toBeNull();
  });
});
