import { describe, expect, it } from "vitest";
import { PALETTES } from "../palette";
import { axisOf, columnsOf, recording } from "../testing/drawn";
import type { Made } from "../testing/encode";
import { ACT, BREAKER, BROKEN, NO_REGIME, SAID, STALE, SWAPPED, WHOLE } from "../wire";
import { GAP, MISSING, NONE, type Patterns, SILENT } from "./hatch";
import { breaker, feed, heard, initials, regimes, Spans, signals, UNSAID } from "./ribbons";
import type { Surface } from "./surface";

const patterns = { [SILENT]: "s", [GAP]: "g", [NONE]: "n", [MISSING]: "m" } as unknown as Patterns;
const palette = PALETTES.dark;

const said = (number: number, more: Partial<Made> = {}): Made => ({
  ...{ number, state: WHOLE, known: SAID, regime: 0, likely: 255, direction: 1, confidence: 200 },
  ...more,
});

function drawn(made: Made[], paint: (on: Surface, spans: Spans) => void): string[] {
  const { calls, context } = recording();
  const spans = new Spans(16);
  spans.fill(columnsOf(made), axisOf(made.at(-1)!.number, 4, 40));
  paint({ context, width: 40, height: 20, ratio: 1, palette }, spans);
  return calls;
}

describe("spans of what was said", () => {
  const fill = (...made: Made[]) => {
    const spans = new Spans(4);
    spans.fill(columnsOf(made), axisOf(11, 4, 1));
    return spans;
  };

  it("take the commonest regime and how likely it was on the mean", () => {
    const spans = fill(
      ...[said(8, { regime: 1, likely: 100 }), said(9, { regime: 2, likely: 255 })],
      ...[said(10, { regime: 1, likely: 201 }), said(11, { known: 0, regime: 2 })],
    );
    expect([spans.regime[0], spans.likely[0]]).toEqual([1, 151]);
  });

  it("show what was acted on before what was surer", () => {
    const spans = fill(
      ...[said(8, { confidence: 250 }), said(9, { direction: -1, confidence: 150, marks: ACT })],
      said(10, { confidence: 240 }),
    );
    expect([spans.direction[0], spans.confidence[0]]).toEqual([-1, 150]);
  });

  it("know that nothing was said", () => {
    const spans = fill(said(8, { known: 0 }), said(9, { known: 0 }));
    expect([spans.direction[0], spans.regime[0]]).toEqual([UNSAID, NO_REGIME]);
  });

  it("lose no mark and no gap of a single column", () => {
    const spans = fill(
      ...[said(8), said(9, { marks: SWAPPED | BREAKER, state: BROKEN })],
      ...[said(10), said(11)],
    );
    expect(spans.marks[0]! & SWAPPED).toBeTruthy();
    expect(spans.feed[0]).toBe(GAP);
  });
});

describe("initials", () => {
  it("are the first letters that tell regimes apart", () => {
    expect(initials(["calm", "trend", "crash", "cc"])).toEqual(["C", "T", "R", "4"]);
  });
});

describe("ribbons", () => {
  it("show a regime as opaque as it is likely, with its letter", () => {
    const made = [8, 9, 10, 11].map((n) => said(n, { likely: 51 }));
    const calls = drawn(made, (on, spans) =>
      regimes(on, axisOf(11, 4, 40), spans, ["C"], 0, 10, patterns),
    );
    expect(calls[0]).toBe(`fillStyle=${palette.regimes[0]}`);
    expect(calls).toContain("globalAlpha=0.2");
    expect(calls.filter((c) => c.startsWith("fillText"))).toHaveLength(1);
  });

  it("hatch what was not said and what was not received, each in its way", () => {
    const made = [said(8, { known: 0 }), said(10), said(11)];
    const calls = drawn(made, (on, spans) =>
      signals(on, axisOf(11, 4, 40), spans, 0, 20, patterns),
    );
    expect(calls).toContain("fillStyle=n");
    expect(calls).toContain("fillStyle=m");
  });

  it("draw up above the middle and down below, filled where it is acted on", () => {
    const made = [
      ...[said(8, { marks: ACT, confidence: 255 }), said(9, { direction: -1, confidence: 255 })],
      ...[said(10, { direction: 0 }), said(11, { marks: SWAPPED })],
    ];
    const calls = drawn(made, (on, spans) =>
      signals(on, axisOf(11, 4, 40), spans, 0, 20, patterns),
    );
    expect(calls).toContain("fillRect(0,0,10,10)");
    const outline = calls.indexOf("fillRect(10,10,10,10)");
    expect(calls[outline - 1]).toBe("globalAlpha=0.22");
    expect(calls).toContain("fillRect(20,10,10,1)");
    expect(calls.slice(-2)).toEqual([`fillStyle=${palette.swap}`, "fillRect(30,0,2,20)"]);
  });

  it("fill the time that a breaker was open", () => {
    const made = [said(8), said(9, { marks: BREAKER }), said(10), said(11)];
    const calls = drawn(made, (on, spans) => breaker(on, axisOf(11, 4, 40), spans, 0, 8, patterns));
    expect(calls).toContain("fillRect(10,0,10,8)");
    expect(calls.filter((c) => c.endsWith(",8)"))).toHaveLength(1);
  });

  it("tell a live feed from a silent one, a broken one and columns not received", () => {
    const made = [said(8), said(9, { marks: STALE }), said(11, { state: BROKEN })];
    const calls = drawn(made, (on, spans) => feed(on, axisOf(11, 4, 40), spans, 0, 8, patterns));
    const styles = calls.filter((c) => c.startsWith("fillStyle"));
    expect(styles).toEqual([
      ...[`fillStyle=${heard(palette)}`, "fillStyle=s", "fillStyle=m", "fillStyle=g"],
    ]);
  });
});
