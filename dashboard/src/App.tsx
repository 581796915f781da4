import { onCleanup, onMount } from "solid-js";
import { bindings } from "./bindings";
import { listen } from "./keys";
import Alarms from "./panes/Alarms";
import Calibration from "./panes/Calibration";
import Drift from "./panes/Drift";
import Equity from "./panes/Equity";
import Flow from "./panes/Flow";
import Heat from "./panes/Heat";
import Latency from "./panes/Latency";
import Ribbons from "./panes/Ribbons";
import Status from "./panes/Status";
import Votes from "./panes/Votes";
import Banner from "./parts/Banner";
import Help from "./parts/Help";
import { createBoard, type Options } from "./state";

export default function App(props: { options: Options }) {
  const board = createBoard(props.options);
  let dialog!: HTMLDialogElement;
  const help = () => (dialog.open ? dialog.close() : dialog.showModal());
  const table = bindings(board, help);
  onMount(() => onCleanup(listen(document, table)));
  return (
    <div class="page" classList={{ stale: board.stale() }}>
      <Status board={board} help={help} />
      <Banner board={board} />
      <main class="panes">
        <Heat board={board} />
        <Flow board={board} />
        <Ribbons board={board} />
        <Votes board={board} />
        <Calibration board={board} />
        <Equity board={board} />
        <Latency board={board} />
        <Drift board={board} />
        <Alarms board={board} />
      </main>
      <Help table={table} ref={(it) => (dialog = it)} close={help} />
    </div>
  );
}
