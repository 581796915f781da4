// Marks of an account as series: rising seconds, and null where one was never told, so that no line
// is drawn over a hole.

import type { Mark } from "../told";

type Cells = (number | null)[];

/** Net, gross, hold and drawdown over time; drawdown is at most 0, as a share of the capital. */
export class Series {
  readonly x: number[] = [];
  readonly net: Cells = [];
  readonly gross: Cells = [];
  readonly hold: Cells = [];
  readonly drawdown: Cells = [];
  readonly #cells: readonly unknown[][] = [this.x, this.net, this.gross, this.hold, this.drawdown];
  #marks = 0;
  #first = Number.NaN;
  #newest = Number.NaN;

  /**
   * Adds what is new at the end and drops what is gone at the front; begins anew where marks came
   * between. -> whether anything changed.
   */
  take(marks: readonly Mark[]): boolean {
    const first = marks[0]?.number;
    if (first === undefined) {
      const before = this.#marks;
      this.#clear();
      return before > 0;
    }
    const dropped = first > this.#first && this.#drop(first);
    if (first !== this.#first || marks[this.#marks - 1]?.number !== this.#newest) this.#clear();
    if (this.#marks === marks.length) return dropped;
    for (let k = this.#marks; k < marks.length; k++) this.#add(marks[k] as Mark);
    this.#first = first;
    this.#marks = marks.length;
    return true;
  }

  /** Seconds between the oldest and the newest that were never told. */
  get missing(): number {
    return this.#marks < 1 ? 0 : this.#newest - this.#first + 1 - this.#marks;
  }

  #add(mark: Mark): void {
    if (mark.number > this.#newest + 1) this.#put(this.#newest + 1, null);
    this.#put(mark.number, mark);
    this.#newest = mark.number;
  }

  #put(second: number, mark: Mark | null): void {
    this.x.push(second);
    this.net.push(mark?.net ?? null);
    this.gross.push(mark?.gross ?? null);
    this.hold.push(mark?.hold ?? null);
    this.drawdown.push(mark === null ? null : 0 - mark.drawdown);
  }

  /** All before that second. */
  #drop(first: number): boolean {
    let count = 0;
    for (; count < this.x.length && (this.x[count] as number) < first; count++)
      if (this.net[count] !== null) this.#marks -= 1;
    for (const cells of this.#cells) cells.splice(0, count);
    this.#first = this.x[0] ?? Number.NaN;
    return count > 0;
  }

  #clear(): void {
    for (const cells of this.#cells) cells.length = 0;
    this.#marks = 0;
    this.#first = Number.NaN;
    this.#newest = Number.NaN;
  }
}

/** What stands across the picture: whose money this is not. */
export const WATERMARK = {
  SIMULATED: "simulated",
  REPLAY: "replay",
  PAPER: "paper",
  LIVE: "paper account",
} as const;
