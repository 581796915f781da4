// A row per member: where it leans, how much it counts, how old it is, or why it is not heard.

import { Index, Show } from "solid-js";
import { bar, lean, side } from "../../draw/votes";
import { duration, percent, signed } from "../../numbers";
import Known from "../../parts/Known";
import type { Vote, VotesNow } from "../../told";

export default function Members(props: { of: VotesNow }) {
  return (
    <div class="members">
      <table>
        <thead>
          <tr>
            <th scope="col">{props.of.votes.length < 2 ? "model" : "member"}</th>
            <th scope="col" class="axis" title="P(up) - P(down)">
              <span>
                <span>{side(-1).shape} −1</span>
                <span>0</span>
                <span>+1 {side(1).shape}</span>
              </span>
            </th>
            <th scope="col" title="P(up) - P(down)">
              lean
            </th>
            <th scope="col" title="its share in the answer; of those heard, together 1">
              weight
            </th>
            <th scope="col" title="of the row that it last spoke of">
              age
            </th>
          </tr>
        </thead>
        <tbody>
          <Index each={props.of.votes}>{(vote) => <Row of={vote()} />}</Index>
        </tbody>
      </table>
    </div>
  );
}

function Row(props: { of: Vote }) {
  const at = () => lean(props.of);
  const why = () => (props.of.state === "left out" ? `left out: ${props.of.why}` : props.of.state);
  return (
    <tr
      classList={{ unheard: props.of.state !== "ok" }}
      data-member={props.of.name}
      data-state={props.of.state}
      data-p-down={props.of.p_down ?? undefined}
      data-p-flat={props.of.p_flat ?? undefined}
      data-p-up={props.of.p_up ?? undefined}
      data-value={props.of.value ?? undefined}
      data-weight={props.of.weight ?? undefined}
      data-age-ms={props.of.age_ms ?? undefined}
    >
      <th scope="row" title={props.of.name}>
        {props.of.name}
      </th>
      <td class="axis">
        <Show
          when={at() !== null}
          fallback={
            <span class="why" title={why()}>
              {why()}
            </span>
          }
        >
          <Lean at={at() ?? 0} />
        </Show>
      </td>
      <td>
        <Known value={at()} format={(value) => signed(value, 2)} why={why()} />
      </td>
      <td>
        <Known
          value={props.of.weight}
          format={(share) => percent(share, 0)}
          why={props.of.state === "ok" ? "the members are not combined by weights" : why()}
        />
      </td>
      <td>
        <Known value={props.of.age_ms} format={duration} why="it has not spoken yet" />
      </td>
    </tr>
  );
}

function Lean(props: { at: number }) {
  const drawn = () => bar(props.at);
  return (
    <span class="lean">
      <span
        class={side(props.at).name}
        style={{ left: `${drawn().left}%`, width: `${drawn().width}%` }}
      />
    </span>
  );
}
