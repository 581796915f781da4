import { describe, expect, it } from "vitest";
import type { LatencyNow, StageNow } from "../told";
import { AXIS, Axis, BUDGETS_MS, count, decades, draw, empty } from "./latency";

const EDGES = [0.1, 1, 10, 100];
const INK = {
  bar: "bar",
  total: "total",
  line: "line",
  text: "text",
  p50: "p50",
  budget: "budget",
  font: "10px sans-serif",
};

function stage(name: string, counts: number[], p50_ms: number | null = null): StageNow {
  return { name, counts, p50_ms, p99_ms: p50_ms, max_ms: p50_ms };
}

function latency(...stages: StageNow[]): LatencyNow {
  return { topic: "latency", edges_ms: EDGES, stages };
}

/** Keeps what was drawn. */
class Paper {
  readonly rects: { ink: string; x: number; y: number; w: number; h: number }[] = [];
  readonly words: string[] = [];
  fillStyle = "";
  font = "";
  textAlign: CanvasTextAlign = "left";
  textBaseline: CanvasTextBaseline = "top";
  clearRect(): void {
    this.rects.length = 0;
    this.words.length = 0;
  }
  fillRect(x: number, y: number, w: number, h: number): void {
    this.rects.push({ ink: this.fillStyle, x, y, w, h });
  }
  fillText(word: string): void {
    this.words.push(word);
  }
  of(ink: string) {
    return this.rects.filter((rect) => rect.ink === ink);
  }
}

function drawn(of: LatencyNow): Paper {
  const paper = new Paper();
  draw(paper, of, new Axis(EDGES, 400), { width: 400, row: 20 }, INK);
  return paper;
}

describe("the axis", () => {
  const axis = new Axis(EDGES, 400);

  it("gives every decade the same width", () => {
    expect(axis.at(1) - axis.at(0.1)).toBeCloseTo(100);
    expect(axis.at(100) - axis.at(10)).toBeCloseTo(100);
  });

  it("keeps what lies outside at its ends", () => {
    expect([axis.at(0), axis.at(1e-9), axis.at(1e9)]).toEqual([0, 0, 400]);
  });

  it("has a bin below the first edge and one above the last", () => {
    expect(axis.left(0)).toBe(0);
    expect(axis.left(1)).toBeCloseTo(50);
    expect(axis.left(4)).toBeCloseTo(350);
    expect(axis.left(5)).toBe(400);
  });

  it("numbers the powers of ten", () => {
    expect(decades(EDGES)).toEqual([0.1, 1, 10, 100]);
    expect(decades([0.05, 0.5, 20])).toEqual([0.1, 1, 10]);
    expect(decades([])).toEqual([]);
  });
});

describe("strips", () => {
  const two = latency(stage("decode", [0, 5, 10, 0, 0], 3), stage("total", [0, 0, 1, 0, 8], 30));

  it("have the fullest bin as high as the strip, and one pixel of the rarest", () => {
    const bars = drawn(two).of("bar");
    expect(bars.map((bar) => bar.h)).toEqual([8.5, 17]);
    const rare = drawn(latency(stage("total", [0, 1, 1000, 0, 0]))).of("total");
    expect(rare[0]?.h).toBe(1);
  });

  it("show by their area how many there were: a bin half as wide is twice as high", () => {
    const edges = [1, 10, 10 ** 1.5];
    const of = latency(stage("decode", [0, 4, 4, 0]), stage("total", [0, 0, 0, 0]));
    const paper = new Paper();
    draw(paper, of, new Axis(edges, 400), { width: 400, row: 20 }, INK);
    expect(paper.of("bar").map((bar) => bar.h)).toEqual([8.5, 17]);
  });

  it("show the total in an ink of its own, in the last strip", () => {
    const total = drawn(two).of("total");
    expect(total.length).toBe(2);
    expect(total.every((bar) => bar.y >= 20 && bar.y + bar.h <= 39)).toBe(true);
  });

  it("are crossed by the budgets from top to foot", () => {
    const lines = drawn(two).of("budget");
    expect(lines.length).toBe(BUDGETS_MS.length);
    expect(lines.every((line) => line.y === 0 && line.h === 40)).toBe(true);
    expect(lines[0]?.x).toBe(250);
  });

  it("mark nothing where a number is not known, and draw no bar of nothing", () => {
    const paper = drawn(latency(stage("decode", [0, 0, 0, 0, 0])));
    expect(paper.of("p50")).toEqual([]);
    expect(paper.of("bar").concat(paper.of("total"))).toEqual([]);
  });

  it("stay within their box", () => {
    for (const rect of drawn(two).rects) {
      expect(rect.x).toBeGreaterThanOrEqual(0);
      expect(rect.x + rect.w).toBeLessThanOrEqual(400);
      expect(rect.y + rect.h).toBeLessThanOrEqual(40 + AXIS);
    }
  });
});

describe("nothing to show", () => {
  it("says why", () => {
    expect(empty(undefined)).toMatch(/not told/);
    expect(empty(latency(stage("total", [0, 0, 0, 0, 0])))).toMatch(/no prediction/);
    expect(empty(latency(stage("total", [0, 0, 1, 0, 0])))).toBe("");
    expect(count(stage("total", [1, 2, 3]))).toBe(6);
  });
});
