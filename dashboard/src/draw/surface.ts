// A canvas that is as sharp as the screen and is painted at most once a frame, when something changed.

import { PALETTES, type Palette } from "../palette";
import type { Theme } from "../theme";

export interface Surface {
  readonly context: CanvasRenderingContext2D;
  /** Device pixels. */
  width: number;
  height: number;
  /** Device pixels for one of CSS. */
  ratio: number;
  palette: Palette;
}

export interface Painter {
  /** Asks for a frame. */
  dirty(): void;
  recolour(theme: Theme): void;
  stop(): void;
}

/**
 * Calls `paint` in a frame after `dirty()`, a resize or a change of theme; again in the next frame
 * while it answers that there is more to do.
 */
export function surface(
  canvas: HTMLCanvasElement,
  theme: Theme,
  paint: (on: Surface) => boolean,
): Painter {
  const on: Surface = {
    context: canvas.getContext("2d", { alpha: false }) as CanvasRenderingContext2D,
    ...{ width: 0, height: 0, ratio: 1, palette: PALETTES[theme] },
  };
  let asked = 0;

  function frame(): void {
    asked = 0;
    if (on.width === 0 || on.height === 0) return;
    const more = paint(on);
    if (more) dirty();
  }

  function dirty(): void {
    if (asked === 0) asked = requestAnimationFrame(frame);
  }

  function measure(): void {
    on.ratio = window.devicePixelRatio || 1;
    on.width = Math.round(canvas.clientWidth * on.ratio);
    on.height = Math.round(canvas.clientHeight * on.ratio);
    if (canvas.width !== on.width) canvas.width = on.width;
    if (canvas.height !== on.height) canvas.height = on.height;
    cancelAnimationFrame(asked);
    frame(); // at once: a canvas that changes its size is blank until it is painted
  }

  const sized = new ResizeObserver(measure);
  sized.observe(canvas);
  return {
    dirty,
    recolour(theme) {
      on.palette = PALETTES[theme];
      dirty();
    },
    stop() {
      cancelAnimationFrame(asked);
      sized.disconnect();
    },
  };
}

export const FONT = "system-ui, sans-serif";

/** Text of a size in CSS pixels. */
export function letters(on: Surface, size: number, align: CanvasTextAlign, colour: string): void {
  on.context.font = `${size * on.ratio}px ${FONT}`;
  on.context.textAlign = align;
  on.context.textBaseline = "middle";
  on.context.fillStyle = colour;
}
