import { describe, expect, it } from "vitest";
import { along, channels, contrast, luminance, PALETTES, table } from "./palette";

const themes = Object.values(PALETTES);
const linear = (v: number) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);

/** What a protanope or deuteranope sees (Vienot, Brettel, Mollon 1999): linear red, green, blue. */
function seen(colour: string, red: boolean): number[] {
  const [r = 0, g = 0, b = 0] = channels(colour).map((v) => linear(v / 255));
  const yellow = red ? 0.11238 * r + 0.88762 * g : 0.29275 * r + 0.70725 * g;
  const blue = red ? 0.00401 * (r - g) + b : -0.02234 * (r - g) + b;
  return [yellow, yellow, blue];
}

/** CIELAB of linear red, green, blue. */
function lab(rgb: readonly number[]): number[] {
  const [r = 0, g = 0, b = 0] = rgb.map((v) => Math.min(Math.max(v, 0), 1));
  const f = (t: number) => (t > 0.008856 ? Math.cbrt(t) : 7.787 * t + 16 / 116);
  const x = f((0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.9505);
  const y = f(0.2126 * r + 0.7152 * g + 0.0722 * b);
  const z = f((0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.089);
  return [116 * y - 16, 500 * (x - y), 200 * (y - z)];
}

const apart = (a: number[], b: number[]) => Math.hypot(...a.map((v, k) => v - b[k]!));

describe.each(themes)("the $theme palette", (palette) => {
  it.each(["ink", "faint", "up", "down", "alarm", "swap"] as const)(
    "has %s that can be read on the ground",
    (name) => expect(contrast(palette[name], palette.ground)).toBeGreaterThanOrEqual(4.5),
  );

  it.each(["mid", "micro", "broken", "absent", "flat"] as const)(
    "has %s that can be seen on the ground",
    (name) => expect(contrast(palette[name], palette.ground)).toBeGreaterThanOrEqual(3),
  );

  it("has regimes that can be seen and told apart", () => {
    for (const one of palette.regimes) {
      expect(contrast(one, palette.ground)).toBeGreaterThanOrEqual(3);
      expect(palette.regimes.filter((other) => other === one)).toHaveLength(1);
      expect([palette.up, palette.down]).not.toContain(one);
    }
  });

  it.each([
    ["whole sight", (colour: string) => channels(colour).map((v) => linear(v / 255))],
    ["no red receptors", (colour: string) => seen(colour, true)],
    ["no green receptors", (colour: string) => seen(colour, false)],
  ] as const)("keeps any two regimes apart with %s", (_, sight) => {
    const shown = palette.regimes.map((one) => lab(sight(one)));
    const least = shown.flatMap((a, k) => shown.slice(k + 1).map((b) => apart(a, b)));
    expect(Math.min(...least)).toBeGreaterThan(12);
  });

  it.each([true, false])("keeps directions apart without red or green receptors (%s)", (red) => {
    const way = apart(seen(palette.up, red), seen(palette.down, red));
    expect(way).toBeGreaterThan(0.3);
  });

  it("has sizes whose luminance only rises or only falls", () => {
    const light = Array.from({ length: 256 }, (_, k) => luminance(along(palette.sizes, k / 255)));
    const way = Math.sign(light[255]! - light[0]!);
    for (let k = 1; k < 256; k++) expect(way * (light[k]! - light[k - 1]!)).toBeGreaterThan(0);
    expect(Math.abs(light[255]! - light[0]!)).toBeGreaterThan(0.7);
  });

  it("shows the smallest size unlike nothing, and saturates above the strongest", () => {
    const out = new Uint32Array(257);
    table(palette, 40, 100, out);
    expect(out[1]).not.toBe(out[0]);
    expect(out[1]).toBe(out[40]);
    expect(out[60]).not.toBe(out[40]);
    expect(out[100]).toBe(out[255]);
  });
});

it("knows the contrast of black and white", () => {
  expect(contrast("#000000", "#ffffff")).toBeCloseTo(21, 9);
  expect(contrast("#777777", "#777777")).toBe(1);
});
