/** Red, green, blue; each 0 to 255. */
export type Colour = readonly [number, number, number];

const GROUPS = 13;

/** What the map is painted with, as the theme says. */
export interface MapColours {
  readonly groups: readonly Colour[];
  readonly css: Readonly<Record<Named, string>>;
}

const NAMES = [
  'sea',
  'land',
  'coast',
  'border',
  'text',
  'surface',
  'line-strong',
  'accent',
  'playhead',
  'created',
  'deleted',
  'updated',
] as const;
type Named = (typeof NAMES)[number];

/** `#rgb` or `#rrggbb`. */
export function parseColour(css: string): Colour {
  const hex = css.trim().replace('#', '');
  const full = hex.length === 3 ? [...hex].map((digit) => digit + digit).join('') : hex;
  const value = parseInt(full.slice(0, 6), 16);
  return Number.isNaN(value) ? [128, 128, 128] : [(value >> 16) & 255, (value >> 8) & 255, value & 255];
}

/** As an opaque pixel lies in the memory of an `ImageData`. */
export function pixelOf([red, green, blue]: Colour): number {
  return ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;
}

export function readColours(element: Element): MapColours {
  const style = getComputedStyle(element);
  const value = (name: string): string => style.getPropertyValue(`--msr-${name}`).trim() || '#808080';
  return {
    groups: Array.from({ length: GROUPS }, (_, index) => parseColour(value(`group-${index}`))),
    css: Object.fromEntries(NAMES.map((name) => [name, value(name)])) as Record<Named, string>,
  };
}

/** Hear when the theme changes, chosen or with the system. */
export function onTheme(changed: () => void): () => void {
  const dark = matchMedia('(prefers-color-scheme: dark)');
  const chosen = new MutationObserver(changed);
  chosen.observe(document.documentElement, { attributeFilter: ['data-theme'] });
  dark.addEventListener('change', changed);
  return () => {
    chosen.disconnect();
    dark.removeEventListener('change', changed);
  };
}
