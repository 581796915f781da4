// Messages of the synthetic server, whole and well-formed; among them are nulls and states of failure.

import type {
  Alarm,
  AlarmsNow,
  CalibrationNow,
  DriftNow,
  EquityNow,
  Hello,
  LatencyNow,
  Mark,
  Reliability,
  StatusNow,
  Vote,
  VotesNow,
  Watched,
} from "../told";
import { GRID_MS, KEPT, PROTOCOL } from "../told";
import { CELLS, random } from "./market";

export const TARGET = "mid@500ms";
const TARGETS = [TARGET, "mid@5s"];
export const INSTRUMENTS: readonly Watched[] = [
  { venue: "binance", symbol: "BTCUSDT", tick: 0.1, lot: 0.001, first: null },
  { venue: "kraken", symbol: "XBT/USD", tick: 0.1, lot: 0.0001, first: null },
];
const MEMBERS = ["xgboost", "logistic", "hawkes", "lstm", "transformer"];
const ns = (ms: number) => ms * 1e6;

export function hello(now: number): Hello {
  return {
    ...{ topic: "hello", protocol: PROTOCOL, version: "0.1.0", mode: "SIMULATED", now: ns(now) },
    ...{ grid_ms: GRID_MS, kept: KEPT, cells: CELLS, instruments: INSTRUMENTS },
    ...{ target: TARGET, targets: TARGETS, regimes: ["calm", "trend", "jump"] },
    ...{ members: MEMBERS, admin: true },
  };
}

/** broken: the first venue's book has a gap now. */
export function status(now: number, started: number, broken: boolean): StatusNow {
  const feed = { messages_per_s: 812.5, reconnects: 1, malformed: 0, barred_s: 0 };
  return {
    ...{ topic: "status", now: ns(now), started: ns(started), state: "running", ready: !broken },
    reasons: broken ? ["binance: resync: the book has a gap"] : [],
    feeds: [
      {
        ...feed,
        ...{ venue: "binance", state: broken ? "resync" : "live", age_ms: broken ? 1_340 : 12.5 },
        ...{ why: broken ? "the book has a gap" : "", gaps: 2, resyncs: 2, skew_ms: 3.2 },
      },
      {
        ...feed,
        ...{ venue: "kraken", state: "live", why: "", age_ms: null, gaps: 0, resyncs: 0 },
        skew_ms: null,
      },
    ],
    ...{ events_per_s: 2_410, predictions_per_s: 19.8, dropped: 0, waiting: 3, lag_ms: 0.8 },
    predictions: Math.floor((now - started) / 50),
    p50_ms: now - started < 2_000 ? null : 1.9,
    p99_ms: now - started < 2_000 ? null : 6.4,
    ...{ model: "ensemble", model_version: "4f2a9c1be07d", loaded: ns(started), pages: 1 },
    breakers: [],
  };
}

function vote(name: string, k: number, draw: () => number): Vote {
  const silent = { p_down: null, p_flat: null, p_up: null, value: null, weight: null };
  if (k === 3) return { name, state: "left out", why: "late", ...silent, age_ms: null };
  if (k === 4) return { name, state: "warming up", why: "", ...silent, age_ms: null };
  const up = 0.2 + 0.4 * draw();
  const down = (1 - up) * 0.6;
  return {
    ...{ name, state: "ok", why: "", p_down: down, p_flat: 1 - up - down, p_up: up },
    ...{ value: 3 * (up - down), weight: [0.5, 0.3, 0.2][k] ?? null, age_ms: 50 * k },
  };
}

export function votes(sequence: number, now: number, which: number): VotesNow {
  const draw = random(sequence);
  const { venue, symbol } = INSTRUMENTS[which]!;
  const all = MEMBERS.map((name, k) => vote(name, k, draw));
  const p_up = 0.15 + 0.3 * draw();
  const p_down = 0.15 + 0.3 * draw();
  const said = { target: TARGET, p_down, p_flat: 1 - p_up - p_down, p_up, value: p_up - p_down };
  const confidence = Math.max(p_up, p_down) / (p_up + p_down);
  const mid = 4_000 + draw();
  const unsure = confidence < 0.55;
  return {
    ...{ topic: "votes", venue, symbol, votes: all, answered: 3, needed: 3 },
    should_trade: !unsure,
    prediction: {
      ...{ sequence, ts: ns(now), symbol, venue, target: TARGET, confidence, mid },
      ...{ direction: p_up > p_down ? 1 : -1, position_size: unsure ? 0 : 0.02 },
      ...{ magnitude: 1.4, stop: mid - 1, take_profit: mid + 2, reward_risk: 1.3 },
      ...{ vetoes: unsure ? ["unsure"] : [], forecasts: [{ ...said, ready: true }] },
      ...{ stale: false, model_version: "4f2a9c1be07d" },
      regime: { calm: 0.7, trend: 0.25, jump: 0.05 },
      ...{ agreement: 2 / 3, abstained: ["lstm: late"], neutral: "" },
      latency_us: { book: 80, features: 240, model: 900, total: 1_400 },
    },
  };
}

function reliability(target: string, outcomes: number): Reliability {
  const some = (x: number) => (outcomes ? x : null);
  return {
    ...{ target, outcomes, weight: outcomes / 10 },
    ...{ hit_rate: some(0.561), last_side: some(0.522), majority: some(0.508) },
    ...{ brier: some(0.241), brier_null: some(0.262), ece: some(0.021), ece_limit: some(0.034) },
    bins: Array.from({ length: outcomes ? 10 : 0 }, (_, k) => ({
      ...{ said: 0.05 + 0.1 * k, came: Math.min(0.97, 0.08 + 0.095 * k) },
      ...{
        weight: [2, 9, 30, 80, 160, 150, 90, 28, 8, 1][k] ?? 0,
        error: 0.3 - 0.05 * Math.min(k, 9 - k),
      },
    })),
  };
}

export function calibration(outcomes: number): CalibrationNow {
  return {
    topic: "calibration",
    live: [reliability(TARGET, outcomes), reliability("mid@5s", 0)],
    trained: TARGETS.map((target) => reliability(target, 20_000)),
  };
}

/** The account at a whole second; a walk that only its number decides. */
export function mark(number: number): Mark {
  const net = 40 * Math.sin(number / 97) + 15 * Math.sin(number / 13) - (number % 500) / 25;
  return {
    ...{ number, net, gross: net + (number % 500) / 10, hold: 60 * Math.sin(number / 300) },
    drawdown: Math.max(0, (55 - net) / 100_000),
  };
}

export function equity(first: number, last: number, since: number): EquityNow {
  const marks = Array.from({ length: Math.max(0, last - first + 1) }, (_, k) => mark(first + k));
  return {
    ...{ topic: "equity", why: "", capital: 100_000, since: ns(since), marks },
    ...{ worst: 0.0011, trades: 42, turnover: 81_250, fees: 32.5, held: [["BTCUSDT", -0.012]] },
  };
}

export function latency(n: number): LatencyNow {
  const edges = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100];
  const stage = (name: string, peak: number) => ({
    name,
    counts: Array.from({ length: edges.length + 1 }, (_, k) =>
      Math.round(900 * Math.exp(-((k - peak) ** 2) / 2) + (n % 3)),
    ),
    ...{ p50_ms: edges[peak] ?? null, p99_ms: edges[peak + 2] ?? null, max_ms: 31.5 },
  });
  const silent = { name: "publish", counts: edges.map(() => 0).concat(0) };
  return {
    ...{ topic: "latency", edges_ms: edges },
    stages: [
      ...[stage("feed", 1), stage("book", 0), stage("features", 2), stage("models", 4)],
      { ...silent, p50_ms: null, p99_ms: null, max_ms: null },
      stage("total", 5),
    ],
  };
}

export function drift(now: number): DriftNow {
  const names = ["ofi_l1", "spread", "imb_cum5", "trades_per_s", "rv_1s", "micro_gap"];
  return {
    ...{ topic: "drift", limit: 0.25, reference: "the rows that it was fitted on" },
    psi: names.map((name, k) => [name, 0.31 * 0.6 ** k] as const),
    drifts: [[TARGET, 1]],
    swaps: [
      { ts: ns(now - 600_000), accepted: true, version: "4f2a9c1be07d", why: "" },
      {
        ts: ns(now - 60_000),
        accepted: false,
        version: "90bd11aa42c7",
        why: "worse than what is served",
      },
    ],
  };
}

export function alarms(now: number, acknowledged: ReadonlySet<string>): AlarmsNow {
  const given: Omit<Alarm, "acknowledged">[] = [
    {
      ...{ rule: "feature_drift", subject: "ofi_l1", severity: "warning" },
      ...{
        says: "ofi_l1 is unlike what the model was fitted on: PSI 0.31",
        since: ns(now - 95_000),
      },
      action: "look at the venue's tick size, then fit again on newer days",
    },
    {
      ...{ rule: "feed_down", subject: "kraken", severity: "critical" },
      ...{ says: "kraken has said nothing for 12 s", since: ns(now - 12_000) },
      action: "look at the venue's own status; predictions of it are marked stale",
    },
  ];
  return {
    topic: "alarms",
    alarms: given.map((a) => ({ ...a, acknowledged: acknowledged.has(`${a.rule} ${a.subject}`) })),
  };
}
