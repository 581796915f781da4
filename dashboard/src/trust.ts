// Whether what the page shows can be trusted now, and why not.

import type { Link } from "./board";
import type { Hello, StatusNow } from "./told";

export type Level = "ok" | "warning" | "critical" | "unknown";

export interface Sign {
  readonly level: Level;
  /** A shape for each: colour is never alone. */
  readonly shape: string;
  readonly word: string;
}

export interface Verdict extends Sign {
  readonly reasons: readonly string[];
}

export const MODES: Readonly<Record<Hello["mode"], Sign & { readonly means: string }>> = {
  SIMULATED: {
    ...{ level: "unknown", shape: "◇", word: "SIMULATED" },
    means: "The market is made up: nothing of it is real.",
  },
  REPLAY: {
    ...{ level: "unknown", shape: "↻", word: "REPLAY" },
    means: "A recording is played: this is no market of now.",
  },
  PAPER: { level: "ok", shape: "□", word: "PAPER", means: "A market of now; no order is sent." },
  LIVE: { level: "warning", shape: "◆", word: "LIVE", means: "A market of now; orders are sent." },
};

const FEEDS: Readonly<Record<string, [Level, string]>> = {
  live: ["ok", "●"],
  connecting: ["warning", "◌"],
  resync: ["warning", "◐"],
  stale: ["warning", "◔"],
  down: ["critical", "✖"],
  stopped: ["critical", "■"],
};

/** How the state of a feed is drawn. */
export function feedSign(state: string): Sign {
  const [level, shape] = FEEDS[state] ?? ["unknown", "?"];
  return { level, shape, word: state.toUpperCase() };
}

/** The worst of what is known. */
export function verdict(link: Link, stale: boolean, status: StatusNow | undefined): Verdict {
  if (link.phase === "refused")
    return { level: "critical", shape: "✖", word: "REFUSED", reasons: [link.why] };
  if (stale || link.phase === "lost")
    return {
      level: "critical",
      shape: "✖",
      word: "NOT HEARD",
      reasons: [link.why].filter(Boolean),
    };
  if (!status) return { level: "unknown", shape: "…", word: "WAITING", reasons: [] };
  if (!status.ready)
    return { level: "critical", shape: "✖", word: "NOT READY", reasons: status.reasons };
  const doubts = [
    ...status.feeds.filter((f) => f.state !== "live").map((f) => `${f.venue}: ${f.state}`),
    ...status.breakers.map((why) => `breaker: ${why}`),
  ];
  if (doubts.length) return { level: "warning", shape: "▲", word: "IN DOUBT", reasons: doubts };
  return { level: "ok", shape: "✔", word: "UP TO DATE", reasons: [] };
}
