import { mount, unmount, untrack } from 'svelte';
import { createReplay, type ReplayClient } from '../client/client';
import { parse } from '../instants';
import Parts from '../parts/Replay.svelte';
import { replayOf } from '../replay/create';
import type { Replay } from '../replay/replay.svelte';
import { sheet, STYLES } from './styles';

/** The element's own box; what the parts look like is theirs. */
const BOX = ':host { display: block; height: 36rem; } :host([hidden]) { display: none; } .place { height: 100%; }';

/**
 * `<msr-replay base-url="/aoh/msr/api" at="2026-11-25T10:00:00Z" tables="air.flight">`: the replay for pages of any
 * framework. Set `getToken` (or a whole `client`) before it enters the page, unless a server on the way adds the token.
 * It emits `msr-status` and `msr-select`; `element.replay` has every command.
 */
export class MsrReplayElement extends HTMLElement {
  static readonly observedAttributes = ['at', 'tables'];

  getToken: (() => string | undefined | Promise<string | undefined>) | undefined;
  client: ReplayClient | undefined;
  #replay: Replay | undefined;
  #parts: ReturnType<typeof mount> | undefined;
  #end: (() => void) | undefined;

  /** The replay that is shown; nothing while the element is not in a page. */
  get replay(): Replay | undefined {
    return this.#replay;
  }

  connectedCallback(): void {
    const root = this.shadowRoot ?? this.attachShadow({ mode: 'open' });
    const styles = new CSSStyleSheet();
    styles.replaceSync(sheet(STYLES) + BOX);
    root.adoptedStyleSheets = [styles];
    const place = document.createElement('div');
    place.className = 'place';
    root.replaceChildren(place);
    const options = { baseUrl: this.getAttribute('base-url') ?? '', getToken: () => this.getToken?.() };
    const replay = replayOf(this.client ?? createReplay(options));
    this.#replay = replay;
    this.#parts = mount(Parts, { target: place, props: { replay, label: this.getAttribute('label') ?? 'Replay' } });
    this.#end = $effect.root(() => this.#tell(replay));
    void this.#open(replay);
  }

  disconnectedCallback(): void {
    this.#end?.();
    if (this.#parts) void unmount(this.#parts);
    this.#replay?.close();
    this.#replay = undefined;
  }

  attributeChangedCallback(name: string, _: string | null, value: string | null): void {
    if (!this.#replay?.range) return;
    if (name === 'tables') void this.#replay.setFilters(filtersOf(value));
    if (name === 'at' && value) this.#replay.seek(parse(value));
  }

  async #open(replay: Replay): Promise<void> {
    const at = this.getAttribute('at');
    replay.filters = filtersOf(this.getAttribute('tables'));
    await replay.open(at ? parse(at) : undefined);
  }

  #tell(replay: Replay): void {
    $effect(() => {
      const detail = { status: replay.status, at: untrack(() => replay.playhead) };
      this.dispatchEvent(new CustomEvent('msr-status', { detail }));
    });
    $effect(() => {
      const detail = { entity: replay.selection };
      this.dispatchEvent(new CustomEvent('msr-select', { detail }));
    });
  }
}

function filtersOf(tables: string | null): { tables?: string[] } {
  const found = (tables ?? '').split(',').filter(Boolean);
  return found.length ? { tables: found } : {};
}
