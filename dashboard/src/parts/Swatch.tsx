// A sample of a hatch, for legends.

import { createEffect } from "solid-js";
import { type Hatch, patterns } from "../draw/hatch";
import { PALETTES } from "../palette";
import { theme } from "../theme";

export default function Swatch(props: { hatch: Hatch }) {
  let canvas!: HTMLCanvasElement;
  createEffect(() => {
    const context = canvas.getContext("2d");
    if (!context) return;
    const palette = PALETTES[theme()];
    context.fillStyle = palette.ground;
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.fillStyle = patterns(palette, 1)[props.hatch];
    context.fillRect(0, 0, canvas.width, canvas.height);
  });
  return <canvas ref={canvas} class="swatch" width="16" height="9" />;
}
