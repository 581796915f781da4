// The columns of the watched instrument, and the stretch of them that is shown.

import { createEffect, createSignal, on } from "solid-js";
import type { Board } from "./board";
import { createColumns } from "./columns";
import { createHoles } from "./holes";
import type { Ask, Gone } from "./told";
import { createView } from "./view";
import { decode } from "./wire";

type Shown = "watched" | "columns" | "revision" | "view" | "older";

export interface Timeline extends Pick<Board, Shown> {
  /** The watched instrument has another place among those that the server has. */
  move(instrument: number): void;
  /** Asks for what is newer than what is held. */
  ask(): void;
  /** Another connection: what was asked and has not come is asked again. */
  again(): void;
  show(data: ArrayBuffer): void;
  /** The server has none of these. */
  lose(said: Gone): void;
  forget(): void;
}

/** size: columns that are held. send: -> whether it went out. Must be called under a root of Solid's. */
export function createTimeline(size: number, send: (ask: Ask) => boolean): Timeline {
  const columns = createColumns(size);
  const view = createView(size);
  const [watched, move] = createSignal(0);
  const [revision, setRevision] = createSignal(0);
  const holes = createHoles(columns, (first, last) =>
    send({ again: { instrument: watched(), first, last } }),
  );
  const changed = () => setRevision((n) => n + 1);

  function ask(): void {
    const after = columns.newest < 0 ? null : columns.newest;
    send({ watch: { instrument: watched(), after, span: view.span() } });
  }

  function show(data: ArrayBuffer): void {
    const frame = decode(data);
    if (frame.instrument !== watched()) return;
    holes.found(columns.put(frame));
    changed();
  }

  function lose(said: Gone): void {
    if (said.instrument === watched()) holes.gone(said.first, said.last);
  }

  function forget(): void {
    columns.clear(columns.cells);
    holes.clear();
    view.freeze(null);
    view.point(null);
    changed();
  }

  const looked = () => {
    const first = (view.end() ?? columns.newest) - view.span() + 1;
    if (columns.newest >= 0 && first < columns.oldest) holes.older(first);
  };
  createEffect(on([view.span, view.end], looked, { defer: true }));

  const { older, again } = holes;
  return { watched, columns, revision, view, older, move, ask, again, show, lose, forget };
}
