// Colours of the style sheet, for what is drawn on a canvas.

/** Of the theme that is on, by the name of its variable, like `--up`. */
export function colour(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}
