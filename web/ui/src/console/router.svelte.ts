import { untrack } from 'svelte';
import { readLink, writeLink, type Link, type View } from '../lib';

/** The address of the page: which view, and what the link says. The page's path never changes. */
export class Router {
  link = $state.raw<Link>(readLink(location.search));

  constructor() {
    addEventListener('popstate', () => (this.link = readLink(location.search)));
  }

  get view(): View {
    return this.link.view ?? 'replay';
  }

  /** Go to a view; back leads here. */
  go(view: View, link: Link = {}): void {
    this.link = { ...this.link, ...link, view };
    history.pushState(null, '', location.pathname + (writeLink(this.link) || '?'));
  }

  /** Say in the address what is shown; back does not lead here. */
  keep(link: Link): void {
    const before = untrack(() => this.link); // an effect that keeps a link does not depend on the one before
    const [had, has] = [writeLink(before), writeLink({ ...before, ...link })];
    if (had === has) return;
    this.link = { ...before, ...link };
    history.replaceState(null, '', location.pathname + (has || '?'));
  }

  /** The whole address of a link, to be shared. */
  address(link: Link): string {
    return location.origin + location.pathname + writeLink({ ...this.link, ...link });
  }
}
