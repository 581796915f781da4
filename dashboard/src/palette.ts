// Colours of what is drawn on a canvas, by theme; text and separators of the page are the style sheets'.
//
// Directions are blue and orange, which protanopes and deuteranopes tell apart, and always have a shape
// too. Sizes run from dark blue over grey to light yellow like cividis (Nunez, Anderton, Renslow 2018,
// PLOS ONE 13(7)): luminance is monotone, so the map reads the same without any sense of hue.

import type { Theme } from "./theme";

export interface Palette {
  readonly theme: Theme;
  /** Behind everything. */
  readonly ground: string;
  /** Text, and lesser text. */
  readonly ink: string;
  readonly faint: string;
  /** Lines of the grid. */
  readonly rule: string;
  /** Bought or up, sold or down, and neither. */
  readonly up: string;
  readonly down: string;
  readonly flat: string;
  /** Around marks that lie on the picture. */
  readonly edge: string;
  readonly mid: string;
  readonly micro: string;
  /** Prices that the picture did not look at. */
  readonly outside: string;
  /** Ink of the hatches. */
  readonly broken: string;
  readonly absent: string;
  /** A breaker is open; another model was swapped in. */
  readonly alarm: string;
  readonly swap: string;
  readonly regimes: readonly string[];
  /** Of sizes, from nothing to the most. */
  readonly sizes: readonly string[];
}

export const PALETTES: Readonly<Record<Theme, Palette>> = {
  dark: {
    theme: "dark",
    ground: "#0d1218",
    ink: "#d7dee6",
    faint: "#8a97a5",
    rule: "#222b35",
    up: "#4c9be8",
    down: "#e8984c",
    flat: "#8a97a5",
    edge: "#05080b",
    mid: "#ffffff",
    micro: "#ef9be8",
    outside: "#1a1f25",
    broken: "#c9923f",
    absent: "#67727e",
    alarm: "#e8984c",
    swap: "#ef9be8",
    regimes: ["#5fb8a8", "#b79ae6", "#d8c65c", "#8fa6bd", "#7a4df2", "#77703a"],
    sizes: ["#10171f", "#16304e", "#304d6d", "#566a7d", "#82877f", "#b3a873", "#ddca6d", "#fff4bd"],
  },
  light: {
    theme: "light",
    ground: "#ffffff",
    ink: "#1c242c",
    faint: "#5a6672",
    rule: "#e1e5ea",
    up: "#1a6fc4",
    down: "#b65a0a",
    flat: "#5a6672",
    edge: "#ffffff",
    mid: "#000000",
    micro: "#a3239c",
    outside: "#e6e8eb",
    broken: "#a86a10",
    absent: "#87919b",
    alarm: "#b65a0a",
    swap: "#a3239c",
    regimes: ["#1f7d6d", "#6a48b0", "#857300", "#4d657d", "#2b35d6", "#2a2a2a"],
    sizes: ["#fbf8ea", "#efe4ac", "#d2c47b", "#a7a07a", "#7a8084", "#4f627b", "#28446d", "#0a1c3b"],
  },
};

const LEVELS = 256;

/** Red, green and blue of `#rrggbb`, 0 .. 255. */
export function channels(colour: string): [number, number, number] {
  const n = Number.parseInt(colour.slice(1), 16);
  return [(n >> 16) & 255, (n >> 8) & 255, n & 255];
}

/** Relative luminance (WCAG 2.2), 0 .. 1. */
export function luminance(rgb: readonly number[]): number {
  const [r = 0, g = 0, b = 0] = rgb.map((v) =>
    v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4,
  );
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

/** Of two colours (WCAG 2.2), 1 .. 21. */
export function contrast(one: string, other: string): number {
  const a = luminance(channels(one));
  const b = luminance(channels(other));
  return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
}

/** A pixel as canvas keeps it on little-endian machines, which is all that browsers run on. */
export function pixel(rgb: readonly number[]): number {
  const [r = 0, g = 0, b = 0] = rgb;
  return ((255 << 24) | (Math.round(b) << 16) | (Math.round(g) << 8) | Math.round(r)) >>> 0;
}

/** Red, green and blue of a share of the way from nothing to the most. */
export function along(sizes: readonly string[], share: number): [number, number, number] {
  const at = Math.min(Math.max(share, 0), 1) * (sizes.length - 1);
  const k = Math.min(Math.floor(at), sizes.length - 2);
  const low = channels(sizes[k]!);
  const high = channels(sizes[k + 1]!);
  const mix = (c: 0 | 1 | 2) => low[c] + (at - k) * (high[c] - low[c]);
  return [mix(0), mix(1), mix(2)];
}

/**
 * Pixels by byte of the image: 0 is nothing; what is at most `low` or at least `high` has the colours
 * of a small and of the largest size.
 */
export function table(palette: Palette, low: number, high: number, out: Uint32Array): void {
  out[0] = pixel(along(palette.sizes, 0));
  for (let byte = 1; byte < LEVELS; byte++) {
    // What rests at all is told from nothing, however small.
    const share = 0.08 + (0.92 * (byte - low)) / Math.max(high - low, 1);
    out[byte] = pixel(along(palette.sizes, Math.max(share, 0.08)));
  }
}

/** The same for a legend. */
export function gradient(palette: Palette): string {
  return `linear-gradient(to right, ${palette.sizes.join(", ")})`;
}
