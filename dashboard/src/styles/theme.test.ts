import { readFileSync } from "node:fs";
import { expect, test } from "vitest";

const css = readFileSync(new URL("./theme.css", import.meta.url), "utf-8");

function colours(theme: string): Record<string, string> {
  const block = css.split(`[data-theme="${theme}"] {`)[1]!.split("}")[0]!;
  return Object.fromEntries(
    [...block.matchAll(/--([\w-]+): (#[\da-f]{6})/g)].map((m) => [m[1], m[2]]),
  );
}

/** Contrast of two colours, WCAG 2.2. */
function contrast(one: string, other: string): number {
  const light = (hex: string) => {
    const [r, g, b] = [1, 3, 5].map((k) => {
      const v = Number.parseInt(hex.slice(k, k + 2), 16) / 255;
      return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r! + 0.7152 * g! + 0.0722 * b!;
  };
  const [a, b] = [light(one), light(other)];
  return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
}

const INKS = ["ink", "faint", "gone", "accent", "up", "down", "flat", "critical", "warning", "ok"];

test.each(["dark", "light"])("every text of the %s theme can be read", (theme) => {
  const all = colours(theme);
  for (const ink of INKS)
    for (const ground of ["ground", "raised"])
      expect(contrast(all[ink]!, all[ground]!), `${ink} on ${ground}`).toBeGreaterThanOrEqual(4.5);
  for (const mark of ["critical", "warning"])
    expect(contrast(all["on-mark"]!, all[mark]!), mark).toBeGreaterThanOrEqual(4.5);
});
