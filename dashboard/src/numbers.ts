// Numbers as they are shown. What is not known, or not finite, is a dash: never 0.

export const DASH = "–";
const MINUS = "−";

type Maybe = number | null | undefined;
export const known = (x: Maybe): x is number => x !== null && x !== undefined && Number.isFinite(x);

/** 1234.5 -> "1,234.50"; a sign that stands as high as a digit. */
export function fixed(x: Maybe, digits = 0): string {
  if (!known(x)) return DASH;
  const whole = Math.abs(x).toFixed(digits);
  const [head = "", tail] = whole.split(".");
  const grouped = head.replace(/\B(?=(\d{3})+$)/g, ",");
  const sign = x < 0 && Number(whole) !== 0 ? MINUS : "";
  return sign + grouped + (tail === undefined ? "" : `.${tail}`);
}

/** With its sign, also above 0. */
export function signed(x: Maybe, digits = 0): string {
  const text = fixed(x, digits);
  return known(x) && x > 0 && /[1-9]/.test(text) ? `+${text}` : text;
}

/** A share as percent. */
export function percent(x: Maybe, digits = 0): string {
  return known(x) ? `${fixed(100 * x, digits)} %` : DASH;
}

/** Three figures and k, M, G. */
export function short(x: Maybe): string {
  if (!known(x)) return DASH;
  const size = Math.abs(x);
  for (const [unit, name] of [
    [1e9, "G"],
    [1e6, "M"],
    [1e3, "k"],
  ] as const)
    if (size >= unit * 0.9995) return `${figures(x / unit)}${name}`;
  return figures(x);
}

function figures(x: number): string {
  const size = Math.abs(x);
  return fixed(x, Number.isInteger(x) ? 0 : size < 9.995 ? 2 : size < 99.95 ? 1 : 0);
}

/** So many figures, wherever the point is: of values whose size nobody knows before. */
export function significant(x: Maybe, count: number): string {
  return known(x) ? String(Number(x.toPrecision(count))).replaceAll("-", MINUS) : DASH;
}

/** Milliseconds in the unit that fits. */
export function duration(ms: Maybe): string {
  if (!known(ms)) return DASH;
  if (ms < 9.95) return `${fixed(ms, 1)} ms`;
  if (ms < 1_000) return `${fixed(ms)} ms`;
  if (ms < 60_000) return `${fixed(ms / 1_000, ms < 9_950 ? 1 : 0)} s`;
  if (ms < 3_600_000) return `${fixed(Math.floor(ms / 60_000))} min`;
  if (ms < 172_800_000) return `${fixed(Math.floor(ms / 3_600_000))} h`;
  return `${fixed(Math.floor(ms / 86_400_000))} d`;
}
