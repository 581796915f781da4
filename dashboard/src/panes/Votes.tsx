// Do the members agree, who is silent, and what was decided of it? Every number is that of the API's
// prediction of the same sequence number; the raw ones stand in data attributes.

import { createSignal, Show } from "solid-js";
import type { Board } from "../board";
import Known from "../parts/Known";
import Pane, { Waits } from "../parts/Pane";
import "../styles/votes.css";
import { named, side, spread } from "../draw/votes";
import { fixed, percent } from "../numbers";
import type { VotesNow } from "../told";
import Decision from "./votes/Decision";
import Members from "./votes/Members";
import Row from "./votes/Row";
import Why from "./votes/Why";

export default function Votes(props: { board: Board }) {
  const [open, setOpen] = createSignal(false);
  const of = () => props.board.votes();
  return (
    <Pane
      name="votes"
      title="Votes"
      legend={<Row board={props.board} said={of()?.prediction ?? null} />}
      unit={of()?.prediction?.target ?? props.board.hello()?.target ?? ""}
      board={props.board}
    >
      <Show when={of()} fallback={<Waits for="votes" />}>
        {(now) => (
          <div class="votes-body">
            <Decision
              board={props.board}
              of={now()}
              open={open()}
              toggle={() => setOpen(!open())}
            />
            <Members of={now()} />
            <Accord of={now()} />
          </div>
        )}
      </Show>
      <Show when={open()}>
        <Why board={props.board} close={() => setOpen(false)} />
      </Show>
    </Pane>
  );
}

/** Consensus, quorum and disagreement, in one line below the members. */
function Accord(props: { of: VotesNow }) {
  const single = () => props.of.votes.length < 2;
  const sides = () => named(props.of.votes);
  return (
    <Show
      when={!single()}
      fallback={<p class="accord">A single model: nobody to agree or disagree with.</p>}
    >
      <dl
        class="accord"
        data-answered={props.of.answered}
        data-needed={props.of.needed}
        data-agreement={props.of.prediction?.agreement ?? undefined}
      >
        <div title="how many of those who answered name the side of the decision">
          <dt>Consensus</dt>
          <dd>
            <Known
              value={props.of.prediction?.agreement ?? null}
              format={(share) => percent(share, 0)}
              why="nothing was decided yet"
            />{" "}
            <small>
              {side(1).shape} {sides().up} {side(-1).shape} {sides().down}
            </small>
          </dd>
        </div>
        <div
          title={`${props.of.answered} of ${props.of.votes.length} answered, ${props.of.needed} have to`}
          classList={{ short: props.of.answered < props.of.needed }}
        >
          <dt>Quorum</dt>
          <dd>
            {props.of.answered}{" "}
            <small>
              {props.of.answered < props.of.needed ? "too few: " : ""}needs {props.of.needed}
            </small>
          </dd>
        </div>
        <div title="from the lowest to the highest P(up) - P(down) of those heard: 0 all say the same, 2 they contradict">
          <dt>Disagreement</dt>
          <dd>
            <Known
              value={spread(props.of.votes)}
              format={(range) => fixed(range, 2)}
              why="fewer than two members were heard"
            />
          </dd>
        </div>
      </dl>
    </Show>
  );
}
