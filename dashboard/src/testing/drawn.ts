// Columns for tests, through the same bytes as the server's.

import { type Columns, createColumns } from "../columns";
import { TimeAxis } from "../draw/axis";
import { decode } from "../wire";
import { encode, type Made } from "./encode";

/** A ring that holds these; each of `cells` cells of one tick. */
export function columnsOf(made: readonly Made[], cells = 4, bucket = 1, size = 64): Columns {
  const columns = createColumns(size, cells);
  for (const one of made) columns.put(decode(encode([one], { cells, bucket })));
  return columns;
}

export function axisOf(end: number, span: number, width: number): TimeAxis {
  const axis = new TimeAxis();
  axis.set(end, span, width);
  return axis;
}

/** A canvas context that remembers what was called, as text. */
export function recording(): { calls: string[]; context: CanvasRenderingContext2D } {
  const calls: string[] = [];
  const show = (value: unknown) =>
    typeof value === "number" ? String(Math.round(100 * value) / 100) : typeof value;
  const context = new Proxy({} as Record<string, unknown>, {
    get(own, name: string) {
      if (name === "measureText") return (text: string) => ({ width: 6 * text.length });
      return name in own
        ? own[name]
        : (...given: unknown[]) => void calls.push(`${name}(${given.map(show).join(",")})`);
    },
    set(own, name: string, value) {
      own[name] = value;
      calls.push(`${name}=${value}`);
      return true;
    },
  });
  return { calls, context: context as unknown as CanvasRenderingContext2D };
}
