import { MsrReplayElement } from './element.svelte';

export { MsrReplayElement };

declare global {
  interface HTMLElementTagNameMap {
    'msr-replay': MsrReplayElement;
  }
}

if (!customElements.get('msr-replay')) customElements.define('msr-replay', MsrReplayElement);
