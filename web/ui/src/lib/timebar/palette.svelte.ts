import type { Attachment } from 'svelte/attachments';
import { OPS } from './activity';

/** The variables of the theme that a canvas needs as colours. */
export interface Palette {
  readonly groups: readonly string[];
  readonly ops: Readonly<Record<string, string>>;
  readonly line: string;
  readonly gap: string;
}

const GROUPS = 13;

/** Reads the colours of an element, and again when the theme changes. */
export class Colours {
  current = $state.raw<Palette | null>(null);

  readonly read: Attachment<HTMLElement> = (element) => {
    const look = (): void => void (this.current = paletteOf(element));
    const system = globalThis.matchMedia?.('(prefers-color-scheme: dark)');
    const chosen = new MutationObserver(look);
    chosen.observe(document.documentElement, { attributes: true, attributeFilter: ['data-theme', 'class', 'style'] });
    system?.addEventListener('change', look);
    look();
    return () => {
      chosen.disconnect();
      system?.removeEventListener('change', look);
    };
  };
}

function paletteOf(element: Element): Palette {
  const style = getComputedStyle(element);
  const colour = (name: string): string => style.getPropertyValue(`--msr-${name}`).trim() || '#888888';
  return {
    groups: Array.from({ length: GROUPS }, (_, index) => colour(`group-${index}`)),
    ops: Object.fromEntries(Object.entries(OPS).map(([op, name]) => [op, colour(name)])),
    line: colour('line'),
    gap: colour('gap'),
  };
}
