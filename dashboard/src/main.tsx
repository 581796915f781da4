import { render } from "solid-js/web";
import App from "./App";
import "./styles/theme.css";
import "./styles/grid.css";
import "./styles/pane.css";
import "./styles/shell.css";
import type { Options } from "./state";
import { beginTheme } from "./theme";

beginTheme();
const options: Options = {};
if (import.meta.env.DEV && new URLSearchParams(location.search).has("synthetic")) {
  const { open } = await import("./testing/synthetic");
  options.open = open;
}
render(() => <App options={options} />, document.getElementById("board") as HTMLElement);
