// The axes: time, which panes A to C share, and price. Both are kept and moved, never made anew.

/** CSS pixels at the right of the plot: the book now, scales, names of ribbons. */
export const GUTTER = 148;

/**
 * Columns `end - span + 1` .. `end` over `width` pixels. Pixels that hold several columns hold them by
 * number, `per` at a time ("bins"), so that scrolling does not change what shares a pixel.
 */
export class TimeAxis {
  span = 1;
  end = -1;
  left = 0;
  width = 1;
  /** Columns of a bin. */
  per = 1;
  /** Bins that are seen. */
  first = 0;
  last = 0;

  set(end: number, span: number, width: number): void {
    this.span = Math.max(span, 1);
    this.end = end;
    this.left = end - this.span + 1;
    this.width = Math.max(width, 1);
    this.per = Math.max(Math.ceil(this.span / this.width), 1);
    this.first = Math.floor(this.left / this.per);
    this.last = Math.floor(end / this.per);
  }

  /** Pixel of the left edge of a column. */
  x(number: number): number {
    return ((number - this.left) * this.width) / this.span;
  }

  /** Pixels of the left edge of a bin, whole, and not left of the plot. */
  edge(bin: number): number {
    return Math.min(Math.max(Math.round(this.x(bin * this.per)), 0), this.width);
  }

  /** The column at a pixel. */
  at(x: number): number {
    const number = Math.floor(this.left + (x * this.span) / this.width);
    return Math.min(Math.max(number, this.left), this.end);
  }
}

/** Prices in ticks over a height in pixels, upwards. */
export class PriceAxis {
  centre = 0;
  /** Ticks from the lower edge to the upper. */
  ticks = 1;
  height = 1;

  y(price: number): number {
    return this.height / 2 - ((price - this.centre) * this.height) / this.ticks;
  }

  at(y: number): number {
    return this.centre + ((this.height / 2 - y) * this.ticks) / this.height;
  }

  /** Whether a price lies in the middle half. */
  within(price: number): boolean {
    return Math.abs(price - this.centre) <= this.ticks / 4;
  }

  /** Goes a part of the way to a price; -> whether it has arrived. */
  towards(price: number): boolean {
    const way = price - this.centre;
    const near = Math.abs(way) * this.height <= this.ticks; // a pixel
    this.centre += near ? way : way / 4;
    return near;
  }
}

const TIMES = [
  100, 200, 500, 1e3, 2e3, 5e3, 10e3, 15e3, 30e3, 60e3, 120e3, 300e3, 600e3, 1.8e6, 3.6e6,
];

/** Milliseconds between marks that lie at least `apart` pixels from each other. */
export function between(milliseconds: number, width: number, apart: number): number {
  const least = (milliseconds * apart) / Math.max(width, 1);
  return TIMES.find((step) => step >= least) ?? 7.2e6;
}

/** The least of 1, 2, 5, 10, 20, ... that is no less. */
export function round125(least: number): number {
  const ten = 10 ** Math.floor(Math.log10(Math.max(least, 1e-12)));
  for (const step of [1, 2, 5, 10]) {
    if (step * ten >= least * (1 - 1e-9)) return step * ten;
  }
  return 10 * ten;
}

/** Digits after the point that a multiple of `tick` needs. */
export function digits(tick: number): number {
  for (let n = 0; n < 12; n++) {
    const scaled = tick * 10 ** n;
    if (Math.abs(scaled - Math.round(scaled)) < 1e-6 * Math.max(scaled, 1e-6)) return n;
  }
  return 12;
}

/** Three figures or so: enough for a size that is known to 9 %, and for scales. */
export function quantity(value: number): string {
  const size = Math.abs(value);
  if (size === 0) return "0";
  if (size >= 999.5e6) return `${figures(value / 1e9)} G`;
  if (size >= 999.5e3) return `${figures(value / 1e6)} M`;
  if (size >= 9_999.5) return `${figures(value / 1e3)} k`;
  return figures(value);
}

function figures(value: number): string {
  const size = Math.abs(value);
  if (size >= 99.95) return value.toFixed(0);
  if (size >= 9.995) return value.toFixed(1);
  if (size >= 0.9995) return value.toFixed(2);
  return String(Number(value.toPrecision(2)));
}
