// The strip across the top: can the page be trusted now?

import { createSignal, For, type JSX, onCleanup, Show } from "solid-js";
import type { Board } from "../board";
import { duration, fixed, short } from "../numbers";
import Known from "../parts/Known";
import { theme, toggleTheme } from "../theme";
import { clock, ofColumn, ofNs, stamp, toggleZone, zone } from "../time";
import { type FeedNow, GRID_MS, type StatusNow } from "../told";
import { feedSign, MODES, type Sign, verdict } from "../trust";

const NO_LATENCY = "no prediction in the last minute";

function Mark(props: { sign: Sign; title?: string }) {
  return (
    <span class={`mark ${props.sign.level}`} title={props.title}>
      <span aria-hidden="true">{props.sign.shape}</span> {props.sign.word}
    </span>
  );
}

function Item(props: { name: string; title?: string; minor?: boolean; children: JSX.Element }) {
  return (
    <span class="item" classList={{ minor: props.minor ?? false }} title={props.title}>
      <span class="name">{props.name}</span> {props.children}
    </span>
  );
}

function Feed(props: { feed: FeedNow; older: number }) {
  const about = () => {
    const f = props.feed;
    const skew = f.skew_ms === null ? "unknown" : duration(f.skew_ms);
    const barred = f.barred_s > 0 ? `; asked to be silent for ${fixed(f.barred_s)} s more` : "";
    return (
      `${f.why ? `${f.why}; ` : ""}${fixed(f.gaps)} gaps, ${fixed(f.resyncs)} resyncs, ` +
      `${fixed(f.reconnects)} reconnects, ${fixed(f.malformed)} malformed since the start; ` +
      `our clock less the venue's: ${skew}${barred}`
    );
  };
  const age = () => (props.feed.age_ms === null ? null : props.feed.age_ms + props.older);
  return (
    <span class="item feed" title={about()}>
      <span class="name">{props.feed.venue}</span> <Mark sign={feedSign(props.feed.state)} />{" "}
      <Known
        value={age()}
        format={duration}
        why="no message yet"
        title="age of the newest message"
      />{" "}
      <span class="minor">{short(props.feed.messages_per_s)}/s</span>
    </span>
  );
}

/** Counts over all feeds; what is above 0 is marked. */
function Counts(props: { status: StatusNow }) {
  const sum = (of: (f: FeedNow) => number) => props.status.feeds.reduce((n, f) => n + of(f), 0);
  const table = (): [string, number, string][] => [
    ["gaps", sum((f) => f.gaps), "holes in what the venues sent, since the start"],
    ["resyncs", sum((f) => f.resyncs), "books that were built anew, since the start"],
    ["reconnects", sum((f) => f.reconnects), "since the start"],
    [
      "dropped",
      props.status.dropped,
      "events that were conflated before the engine, since the start",
    ],
  ];
  return (
    <For each={table()}>
      {([name, count, title]) => (
        <Item name={name} title={title} minor>
          <span class="number" classList={{ some: count > 0 }}>
            {fixed(count)}
          </span>
        </Item>
      )}
    </For>
  );
}

function Measures(props: { status: StatusNow }) {
  const s = () => props.status;
  return (
    <>
      <Counts status={s()} />
      <Item name="lag" title="of the server's loop" minor>
        {duration(s().lag_ms)}
      </Item>
      <Item name="p50" title="socket to prediction, of the last minute">
        <Known value={s().p50_ms} format={duration} why={NO_LATENCY} />
      </Item>
      <Item name="p99" title="socket to prediction, of the last minute">
        <Known value={s().p99_ms} format={duration} why={NO_LATENCY} />
      </Item>
      <Item name="said" title={`predictions a second; ${fixed(s().predictions)} so far`}>
        <span class="number">{short(s().predictions_per_s)}/s</span>
      </Item>
      <Item name="events" title={`that the engine takes; ${fixed(s().waiting)} wait`} minor>
        <span class="number">{short(s().events_per_s)}/s</span>
      </Item>
      <Item
        name="model"
        title={`${s().model_version}, loaded ${stamp(ofNs(s().loaded))} ${zone()}`}
      >
        {s().model} <span class="mono">{s().model_version.slice(0, 8)}</span>
      </Item>
      <Item name="breaker" title={s().breakers.join("; ") || "none is open"}>
        <Mark
          sign={
            s().breakers.length
              ? { level: "warning", shape: "▲", word: `OPEN: ${s().breakers.join(", ")}` }
              : { level: "ok", shape: "●", word: "CLOSED" }
          }
        />
      </Item>
    </>
  );
}

function Instruments(props: { board: Board }) {
  return (
    <Show when={props.board.hello()}>
      {(hello) => (
        <select
          aria-label="instrument"
          value={props.board.watched()}
          onChange={(event) => {
            props.board.watch(Number(event.currentTarget.value));
            event.currentTarget.blur(); // so that keys are the board's again
          }}
        >
          <For each={hello().instruments}>
            {(one, k) => (
              <option value={k()} selected={k() === props.board.watched()}>
                {one.symbol} · {one.venue}
              </option>
            )}
          </For>
        </select>
      )}
    </Show>
  );
}

/** That the pictures over time stand still, and where. */
function Frozen(props: { board: Board }) {
  const gridMs = () => props.board.hello()?.grid_ms ?? GRID_MS;
  return (
    <Show when={props.board.view.end()}>
      {(end) => (
        <Mark
          sign={{
            level: "warning",
            shape: "‖",
            word: `FROZEN ${clock(ofColumn(end(), gridMs()))}`,
          }}
          title="Book, flow and signals end there; all else is of now. End or f follows the newest."
        />
      )}
    </Show>
  );
}

function Clock() {
  const [now, setNow] = createSignal(Date.now());
  const ticking = setInterval(() => setNow(Date.now()), 1_000);
  onCleanup(() => clearInterval(ticking));
  return (
    <button type="button" class="clock" title="UTC or local time (u)" onClick={toggleZone}>
      {clock(now())} {zone()}
    </button>
  );
}

export default function Status(props: { board: Board; help: () => void }) {
  const board = () => props.board;
  const trust = () => verdict(board().link(), board().stale(), board().status());
  const alarms = () =>
    board()
      .alarms()
      ?.alarms.filter((a) => !a.acknowledged).length;
  return (
    <header class="status">
      <Mark sign={trust()} title={trust().reasons.join("; ") || "can the page be trusted now?"} />
      <Show when={board().hello()}>
        {(hello) => <Mark sign={MODES[hello().mode]} title={MODES[hello().mode].means} />}
      </Show>
      <Instruments board={board()} />
      <Show when={board().status()} fallback={<span class="item">waits for the server</span>}>
        {(status) => (
          <>
            <For each={status().feeds}>
              {(feed) => <Feed feed={feed} older={board().stale() ? board().age() : 0} />}
            </For>
            <Measures status={status()} />
          </>
        )}
      </Show>
      <Item name="alarms" title="that nobody acknowledged">
        <Known value={alarms()} format={(n) => fixed(n)} why="the server has not told any" />
      </Item>
      <span class="switches">
        <Frozen board={board()} />
        <a href="./runs.html">runs</a>
        <Clock />
        <button type="button" title="dark or light (t)" onClick={toggleTheme}>
          {theme() === "dark" ? "◐ dark" : "◑ light"}
        </button>
        <button type="button" title="all keys (?)" onClick={() => props.help()}>
          ?
        </button>
      </span>
    </header>
  );
}
