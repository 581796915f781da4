// The keyboard: one key, one act; the list behind `?` is made of the same table.

export interface Key {
  /** As `KeyboardEvent.key` has it; several do the same. */
  readonly keys: readonly string[];
  readonly shown: string;
  readonly does: string;
  readonly act: () => void;
}

const TYPED = "input, select, textarea, [contenteditable]";

/** Calls what a key stands for, unless somebody types. -> how to stop. */
export function listen(
  target: Pick<EventTarget, "addEventListener" | "removeEventListener">,
  table: readonly Key[],
): () => void {
  const heard = (event: Event) => {
    const press = event as KeyboardEvent;
    if (press.ctrlKey || press.metaKey || press.altKey || press.defaultPrevented) return;
    const on = press.target as Element | null;
    if (on?.matches?.(TYPED)) return;
    const found = table.find((one) => one.keys.includes(press.key));
    if (!found) return;
    press.preventDefault();
    found.act();
  };
  target.addEventListener("keydown", heard);
  return () => target.removeEventListener("keydown", heard);
}
