import { KINDS, type Kind, type Narrowing } from '../../lib/compare/differences';

/** What of the differences is looked at. */
export class Narrowed implements Narrowing {
  kinds = $state.raw<readonly Kind[]>(KINDS);
  table = $state.raw<string | null>(null);
  text = $state.raw('');

  toggle(kind: Kind): void {
    this.kinds = KINDS.filter((one) => this.kinds.includes(one) !== (one === kind));
  }
}
