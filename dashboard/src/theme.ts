// Which theme is on: what the machine prefers until it is chosen by hand.

import { createSignal } from "solid-js";

export type Theme = "dark" | "light";
const KEPT = "flowsense.theme"; // in the browser's own storage

const prefers = globalThis.matchMedia?.("(prefers-color-scheme: light)");
const chosen = globalThis.localStorage?.getItem(KEPT);
const [theme, setTheme] = createSignal<Theme>(
  chosen === "dark" || chosen === "light" ? chosen : prefers?.matches ? "light" : "dark",
);

export { theme };

function show(next: Theme): void {
  document.documentElement.dataset.theme = next;
  setTheme(next);
}

/** Before anything is drawn. */
export function beginTheme(): void {
  show(theme());
  prefers?.addEventListener("change", () => {
    if (!localStorage.getItem(KEPT)) show(prefers.matches ? "light" : "dark");
  });
}

export function toggleTheme(): void {
  const next = theme() === "dark" ? "light" : "dark";
  localStorage.setItem(KEPT, next);
  show(next);
}
