// @vitest-environment jsdom
import { cleanup, render } from "@solidjs/testing-library";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Equity as Account } from "../board";
import { fixed } from "../numbers";
import { createBare } from "../testing/bare";
import { equity, hello } from "../testing/says";
import type { Mark } from "../told";

/** What a browser has and jsdom has not: paths that keep the stretches of time they clip to. */
class Path {
  static all: Path[] = [];
  readonly stretches: [number, number][] = [];
  corners = 0;
  constructor() {
    Path.all.push(this);
  }
  rect(x: number, _y: number, width: number) {
    this.stretches.push([x, x + width]);
  }
  lineTo() {
    this.corners++;
  }
  moveTo() {}
  addPath() {}
  arc() {}
  closePath() {}
}

const pen = new Proxy({ canvas: {} } as Record<string, unknown>, {
  get: (kept, name) => kept[name as string] ?? (() => ({ width: 20 })),
  set: (kept, name, value) => {
    kept[name as string] = value;
    return true;
  },
});

vi.hoisted(() => {
  globalThis.matchMedia = () =>
    ({ matches: false, addEventListener() {}, removeEventListener() {} }) as never;
});

beforeEach(() => {
  Path.all = [];
  vi.stubGlobal("Path2D", Path);
  vi.stubGlobal(
    "ResizeObserver",
    class {
      observe() {}
      disconnect() {}
    },
  );
  HTMLCanvasElement.prototype.getContext = () => pen as never;
  for (const side of ["clientWidth", "clientHeight"])
    Object.defineProperty(HTMLElement.prototype, side, { configurable: true, value: 400 });
});
afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

const NOW = 1_700_000_000;

async function shown(marks: readonly Mark[]) {
  const { default: Equity } = await import("./Equity");
  const told = createBare(() => Promise.reject(new Error("nobody is there")));
  told.setHello(hello(NOW * 1_000));
  const { container } = render(() => <Equity board={told.board} />);
  const account: Account = { now: equity(NOW, NOW, NOW), marks };
  told.setEquity(account);
  await Promise.resolve();
  await new Promise((done) => setTimeout(done, 20));
  return container;
}

/** Pixels between the two stretches that a line is cut to; one stretch is the whole plot. */
const gaps = () =>
  Path.all
    .filter((path) => path.stretches.length > 1)
    .map(({ stretches: [before, after] }) => {
      return (after?.[0] ?? 0) - (before?.[1] ?? 0);
    });

const ALL = equity(NOW, NOW + 60, NOW).marks;

describe("the account", () => {
  it("is one line where every second was told", async () => {
    await shown(ALL);
    expect(Path.all.some((path) => path.corners > 50)).toBe(true);
    expect(gaps()).toEqual([]);
  });

  it("has a gap where seconds were not told: no line goes over them", async () => {
    const container = await shown(ALL.filter((_, k) => k < 20 || k >= 40));
    expect(gaps().length).toBe(2); // of net, and of drawdown
    for (const gap of gaps()) expect(gap).toBeGreaterThan(100); // of 340 pixels
    expect(container.querySelector(".facts")?.textContent).toContain("not received 20 s");
  });

  it("says whose money it is not", async () => {
    const container = await shown(ALL);
    expect(container.querySelector(".watermark")?.textContent).toBe("simulated");
  });

  it("shows net alone until another line is asked for", async () => {
    const container = await shown(ALL);
    const lines = [...container.querySelectorAll(".line")];
    expect(lines.map((line) => line.getAttribute("aria-pressed"))).toEqual([
      "true",
      "false",
      "false",
    ]);
    expect(lines[0]?.textContent).toBe(`net ${fixed(ALL.at(-1)?.net, 1)}`);
  });
});
