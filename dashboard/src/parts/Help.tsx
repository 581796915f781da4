// The list of keys.

import { For } from "solid-js";
import type { Key } from "../keys";

export default function Help(props: {
  table: readonly Key[];
  ref: (it: HTMLDialogElement) => void;
  close: () => void;
}) {
  return (
    <dialog ref={props.ref} aria-label="keys">
      <table>
        <tbody>
          <For each={props.table}>
            {(one) => (
              <tr>
                <td>
                  <kbd>{one.shown}</kbd>
                </td>
                <td>{one.does}</td>
              </tr>
            )}
          </For>
        </tbody>
      </table>
      <button type="button" onClick={() => props.close()}>
        close
      </button>
    </dialog>
  );
}
