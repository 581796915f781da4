import { render } from "solid-js/web";
import "../styles/theme.css";
import "../styles/pane.css";
import "../styles/shell.css";
import "./runs.css";
import { beginTheme } from "../theme";
import App from "./App";
import { createServer } from "./server";

beginTheme();
const server = createServer({ fetch: (path, init) => fetch(path, init), storage: sessionStorage });
render(() => <App server={server} />, document.getElementById("runs") as HTMLElement);
