// The paper account, put together from its messages: marks by rising number, each once.

import type { Equity } from "./board";
import type { EquityNow, Mark } from "./told";

const MOST = 86_400; // marks: a day

export interface Account {
  /** -> the account, and the number after which marks are missing, if some are. */
  take(now: EquityNow): { equity: Equity; after: number | undefined };
}

export function createAccount(): Account {
  let marks: Mark[] = [];
  let since = 0;
  const asked = new Set<number>();

  function insert(mark: Mark): void {
    let k = marks.length;
    while (k > 0 && marks[k - 1]!.number > mark.number) k--;
    if (k > 0 && marks[k - 1]!.number === mark.number) marks[k - 1] = mark;
    else marks.splice(k, 0, mark);
  }

  return {
    take(now) {
      if (now.since !== since) {
        since = now.since; // another account: it began anew
        marks = [];
        asked.clear();
      }
      const newest = marks.at(-1)?.number;
      let after: number | undefined;
      const first = now.marks[0]?.number;
      if (newest !== undefined && first !== undefined && first > newest + 1 && !asked.has(newest)) {
        asked.add(newest);
        after = newest;
      }
      for (const mark of now.marks) insert(mark);
      if (marks.length > MOST) marks.splice(0, marks.length - MOST);
      return { equity: { now, marks }, after };
    },
  };
}
