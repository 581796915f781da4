// @vitest-environment jsdom
import { cleanup, render } from "@solidjs/testing-library";
import type { JSX } from "solid-js";
import { afterEach, beforeAll, describe, expect, it } from "vitest";
import type { Board } from "../board";
import { createBare } from "../testing/bare";
import { calibration, drift, hello, latency } from "../testing/says";
import Calibration from "./Calibration";
import Drift from "./Drift";
import Latency from "./Latency";

const NOW = 1_700_000_000_000;

function shown(Pane: (props: { board: Board }) => JSX.Element) {
  const told = createBare(() => Promise.reject(new Error("nobody is there")));
  told.setHello(hello(NOW));
  const { container } = render(() => <Pane board={told.board} />);
  return { ...told, container };
}

beforeAll(() => {
  globalThis.ResizeObserver = class {
    observe() {}
    unobserve() {}
    disconnect() {}
  };
  HTMLCanvasElement.prototype.getContext = () => null; // nothing is measured here
});
afterEach(cleanup);

describe("calibration", () => {
  it("shows ten bins of live, those of the test, and every score beside its null", () => {
    const { container, setCalibration } = shown(Calibration);
    setCalibration(calibration(500));
    expect(container.querySelectorAll(".live").length).toBe(10);
    expect(container.querySelectorAll(".trained").length).toBe(10);
    expect(container.querySelector("dl")?.textContent).toContain("by luck up to 0.034");
    expect(container.querySelector("dl")?.textContent).toContain(
      "majority 0.508 · last side 0.522",
    );
  });

  it("judges nothing before there are outcomes", () => {
    const { container, setCalibration } = shown(Calibration);
    setCalibration(calibration(0));
    expect(container.textContent).toContain("no outcome yet");
    expect(container.querySelectorAll(".verdict.fails").length).toBe(0);
    expect(container.querySelector<HTMLElement>(".reliability")?.dataset.ece).toBeUndefined();
  });

  it("shows the target that is picked", () => {
    const { container, setCalibration } = shown(Calibration);
    setCalibration(calibration(500));
    const select = container.querySelector("select") as HTMLSelectElement;
    expect(select.value).toBe("mid@500ms");
    select.value = "mid@5s";
    select.dispatchEvent(new Event("change", { bubbles: true }));
    expect(container.querySelector<HTMLElement>(".reliability")?.dataset.target).toBe("mid@5s");
  });
});

describe("latency", () => {
  it("has the numbers of every stage, and a reasoned dash where there are none", () => {
    const { container, setLatency } = shown(Latency);
    const told = latency(1);
    setLatency(told);
    const rows = [...container.querySelectorAll<HTMLElement>("[data-stage]")];
    expect(rows.map((row) => row.dataset.stage)).toEqual(told.stages.map((one) => one.name));
    expect(Number(rows[0]?.dataset.p99)).toBe(told.stages[0]?.p99_ms);
    const silent = rows.find((row) => row.dataset.p99 === undefined);
    expect(silent?.querySelector(".unknown")?.getAttribute("title")).toMatch(/last minute/);
  });

  it("says why it is empty", () => {
    const { container, setLatency } = shown(Latency);
    const told = latency(1);
    const stages = told.stages.map((one) => ({ ...one, counts: one.counts.map(() => 0) }));
    setLatency({ ...told, stages });
    expect(container.textContent).toContain("No prediction in the last minute");
  });
});

describe("drift", () => {
  it("has columns beyond the limit marked, what they are compared with, and swaps", () => {
    const { container, setDrift } = shown(Drift);
    setDrift(drift(NOW));
    expect(container.querySelectorAll(".beyond").length).toBe(1);
    expect(container.querySelector(".beyond")?.textContent).toContain("! 0.31");
    expect(container.textContent).toContain("compared with the rows that it was fitted on");
    const swaps = [...container.querySelectorAll<HTMLElement>("[data-accepted]")];
    expect(swaps.map((swap) => swap.dataset.accepted)).toEqual(["false", "true"]);
    expect(swaps[0]?.textContent).toContain("worse than what is served");
  });

  it("waits until it is told", () => {
    expect(shown(Drift).container.textContent).toContain("waits for drift");
  });
});
