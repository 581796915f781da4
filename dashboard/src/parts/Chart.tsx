// uPlot as a Solid component: made once, given its data when `revision` rises, resized with its box,
// drawn again when theme or zone change. Colours of options are functions, so that they follow.

import { createEffect, on, onCleanup, onMount } from "solid-js";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { theme } from "../theme";
import { zone } from "../time";

export type Options = Omit<uPlot.Options, "width" | "height">;

export default function Chart(props: {
  /** Called once; width and height are those of the box. */
  options: () => Options;
  /** The same arrays may come again, longer. */
  data: uPlot.AlignedData;
  revision: number;
  /** Which series are seen; left out: all. */
  shown?: readonly boolean[];
  label: string;
}) {
  let box!: HTMLDivElement;
  let plot: uPlot | undefined;
  const size = { width: 0, height: 0 };

  function measure(): void {
    size.width = box.clientWidth;
    size.height = box.clientHeight;
  }

  onMount(() => {
    measure();
    const made = new uPlot({ ...props.options(), ...size }, props.data, box);
    plot = made;
    const sized = new ResizeObserver(() => {
      measure();
      if (size.width > 0 && size.height > 0) made.setSize(size);
    });
    sized.observe(box);
    onCleanup(() => {
      sized.disconnect();
      made.destroy();
    });
  });

  createEffect(
    on(
      () => props.revision,
      () => plot?.setData(props.data),
      { defer: true },
    ),
  );
  createEffect(on([theme, zone], () => plot?.redraw(false, true), { defer: true }));
  createEffect(() => {
    props.shown?.forEach((show, k) => {
      if (plot?.series[k + 1]?.show !== show) plot?.setSeries(k + 1, { show });
    });
  });

  return <div class="chart" ref={box} role="img" aria-label={props.label} />;
}
