// What was decided, and why it must not be acted on.

import { createMemo, Index, Show } from "solid-js";
import type { Board } from "../../board";
import { digits } from "../../draw/axis";
import { likelihood, reasons, side } from "../../draw/votes";
import { duration, fixed, percent } from "../../numbers";
import Known from "../../parts/Known";
import type { Likelihood, Prediction, VotesNow } from "../../told";

export default function Decision(props: {
  board: Board;
  of: VotesNow;
  open: boolean;
  toggle: () => void;
}) {
  const said = () => props.of.prediction;
  const chances = createMemo(() => {
    const one = said();
    return one === null ? null : likelihood(one);
  });
  return (
    <button
      type="button"
      class="decision"
      aria-expanded={props.open}
      title="why? Opens what each column added"
      onClick={() => props.toggle()}
      data-sequence={said()?.sequence}
      data-direction={said()?.direction}
      data-confidence={said()?.confidence}
      data-position-size={said()?.position_size}
      data-magnitude={said()?.magnitude}
      data-mid={said()?.mid}
      data-stop={said()?.stop}
      data-take-profit={said()?.take_profit}
      data-p-down={chances()?.p_down}
      data-p-flat={chances()?.p_flat}
      data-p-up={chances()?.p_up}
      data-should-trade={props.of.should_trade}
      data-stale={said()?.stale}
    >
      <Headline of={said()} />
      <Chances of={chances()} />
      <Prices board={props.board} said={said()} />
      <Advice board={props.board} of={props.of} />
    </button>
  );
}

/** To which side, how surely and how much. */
function Headline(props: { of: Prediction | null }) {
  const facing = () => side(props.of?.direction ?? 0);
  return (
    <span class="headline">
      <Show when={props.of} fallback={<strong class="side none">–</strong>}>
        <strong class={`side ${facing().name}`}>
          <span aria-hidden="true">{facing().shape}</span> {facing().sign} {facing().word}
        </strong>
      </Show>
      <span title="P(side | it moves)">
        confidence{" "}
        <Known
          value={props.of?.direction ? (props.of?.confidence ?? null) : null}
          format={(p) => percent(p, 1)}
          why="there is no side to be sure of"
        />
      </span>
      <span title="to hold from now on, of the capital">
        size{" "}
        <Known
          value={props.of?.position_size ?? null}
          format={(share) => percent(share, 2)}
          why="nothing was said yet"
        />
      </span>
    </span>
  );
}

/** P(down), P(flat) and P(up) as the parts of a bar. */
function Chances(props: { of: Likelihood | null }) {
  const parts = (of: Likelihood) => [
    { at: side(-1), p: of.p_down, word: "down" },
    { at: side(0), p: of.p_flat, word: "flat" },
    { at: side(1), p: of.p_up, word: "up" },
  ];
  return (
    <Show
      when={props.of}
      fallback={
        <span class="chances unknown" title="the model warms up, or nothing was said yet">
          P(down) – · P(flat) – · P(up) –
        </span>
      }
    >
      {(of) => (
        <span class="chances">
          <span class="parts">
            <Index each={parts(of())}>
              {(part) => <span class={part().at.name} style={{ width: `${100 * part().p}%` }} />}
            </Index>
          </span>
          <span class="labels">
            <Index each={parts(of())}>
              {(part) => (
                <span class={part().at.name}>
                  <span aria-hidden="true">{part().at.shape}</span> {part().word}{" "}
                  {fixed(part().p, 3)}
                </span>
              )}
            </Index>
          </span>
        </span>
      )}
    </Show>
  );
}

function Prices(props: { board: Board; said: Prediction | null }) {
  // A mid lies on half a tick.
  const tick = () => props.board.hello()?.instruments[props.board.watched()]?.tick ?? 0.01;
  const price = (value: number) => fixed(value, digits(tick() / 2));
  /** 0 stands for what is not there. */
  const there = (value: number | undefined) => (value ? value : null);
  const facts = () => {
    const said = props.said;
    const sided = said !== null && said.direction !== 0;
    const sideless = said === null ? "nothing was said yet" : "there is no side";
    return [
      { name: "mid", value: there(said?.mid), as: price, why: "no whole book" },
      { name: "stop", value: there(said?.stop), as: price, why: sideless },
      { name: "take profit", value: there(said?.take_profit), as: price, why: sideless },
      {
        name: "expected, ticks",
        value: sided ? said.magnitude : null,
        as: (ticks: number) => fixed(ticks, 2),
        why: sideless,
      },
      {
        name: "reward/risk",
        value: sided ? said.reward_risk : null,
        as: (ratio: number) => fixed(ratio, 2),
        why: sideless,
      },
    ];
  };
  return (
    <span class="prices">
      <Index each={facts()}>
        {(fact) => (
          <span>
            <small>{fact().name}</small>
            <Known value={fact().value} format={fact().as} why={fact().why} />
          </span>
        )}
      </Index>
    </span>
  );
}

/** What is said is of no use once nobody is heard who could take it back. */
function Advice(props: { board: Board; of: VotesNow }) {
  const against = createMemo(() => reasons(props.of));
  const act = () => props.of.should_trade && !props.board.stale();
  return (
    <Show
      when={!act()}
      fallback={<span class="advice act">Act on it: nothing is against it.</span>}
    >
      <span class="advice">
        <strong>Do not act:</strong>{" "}
        <Show when={props.board.stale()}>
          <span class="reason" data-veto="not_heard">
            the server has not been heard for {duration(props.board.age())}
            {against().length > 0 ? "; " : ""}
          </span>
        </Show>
        <Index each={against()}>
          {(reason, k) => (
            <span class="reason" data-veto={reason().name || undefined}>
              {k > 0 ? "; " : ""}
              {reason().says}
            </span>
          )}
        </Index>
        .
      </span>
    </Show>
  );
}
