// How the account is plotted: gains above, drawdown below, one pointer over both.

import uPlot from "uplot";
import { percent, short } from "../../numbers";
import type { Options } from "../../parts/Chart";
import { colour } from "../../parts/colour";
import { clock, zone } from "../../time";

/** Told apart by their dashes, not by colour alone. */
export const LINES = [
  { name: "net", title: "gain after all costs", colour: "--accent", dash: [] },
  {
    name: "gross",
    title: "gain at the mid: before fees, half-spreads, depth and delay",
    colour: "--ink",
    dash: [5, 3],
  },
  {
    name: "hold",
    title: "gain of who bought all at the start in equal parts, after the same costs",
    colour: "--faint",
    dash: [1, 3],
  },
] as const;

type Point = (place: number | null) => void;

const ink = (name: string) => () => colour(name);

function axes(values: (value: number) => string): [uPlot.Axis, uPlot.Axis] {
  const shared: uPlot.Axis = {
    stroke: ink("--faint"),
    font: "10px system-ui, sans-serif",
    grid: { stroke: ink("--rule"), width: 1 },
    ticks: { stroke: ink("--rule"), width: 1, size: 3 },
  };
  return [
    { ...shared, size: 16, gap: 1, values: (_, at) => at.map((s) => clock(s * 1_000)) },
    { ...shared, size: 52, gap: 2, space: 16, values: (_, at) => at.map(values) },
  ];
}

function shared(point: Point): Options {
  return {
    series: [],
    legend: { show: false },
    padding: [6, 24, 0, 0],
    tzDate: (s) => {
      const at = new Date(s * 1_000);
      return zone() === "UTC" ? uPlot.tzDate(at, "Etc/UTC") : at;
    },
    cursor: { sync: { key: "equity" }, drag: { x: false, y: false }, points: { size: 5 } },
    hooks: { setCursor: [(plot) => point(plot.cursor.idx ?? null)] },
  };
}

export function gains(point: Point): Options {
  const base = shared(point);
  const [time, value] = axes(short);
  const line = { points: { show: false }, spanGaps: false };
  return {
    ...base,
    axes: [{ ...time, size: 2, values: () => [] }, value],
    series: [
      {},
      ...LINES.map((of, k) => ({
        ...line,
        label: of.name,
        show: k === 0,
        stroke: ink(of.colour),
        width: k === 0 ? 1.5 : 1,
        dash: [...of.dash],
      })),
    ],
    hooks: { ...base.hooks, drawAxes: [zero] },
  };
}

/** Room for a drawdown of a basis point at least, so that none is a line at the top. */
const LEAST = -1e-4;

export function losses(point: Point): Options {
  const base = shared(point);
  const [time, share] = axes((of) => percent(of, 3));
  const fill = () => `${colour("--down")}40`;
  const line = { label: "drawdown", stroke: ink("--down"), fill, width: 1, spanGaps: false };
  return {
    ...base,
    scales: { y: { range: (_, low) => [Math.min(low ?? 0, LEAST), 0] } },
    axes: [time, { ...share, splits: (_, __, low, high) => [low, high] }],
    series: [{}, { ...line, points: { show: false } }],
  };
}

/** The line of neither gain nor loss, where it is in sight. */
function zero(plot: uPlot): void {
  const { min, max } = plot.scales.y ?? {};
  if (min == null || max == null || min > 0 || max < 0) return;
  const y = Math.round(plot.valToPos(0, "y", true));
  plot.ctx.save();
  plot.ctx.fillStyle = colour("--faint");
  plot.ctx.fillRect(plot.bbox.left, y, plot.bbox.width, Math.max(1, uPlot.pxRatio));
  plot.ctx.restore();
}
