import { TokenHolder, type Auth } from './auth.svelte';

const KEPT = 'msr.token';

/** A token from the address (`#token=…`), as the demo gives one; it leaves the address at once, and stays in the tab. */
export class GivenToken extends TokenHolder implements Auth {
  readonly atRealm = false;
  readonly #kept: Storage;
  protected token = $state.raw<string | undefined>(undefined);

  constructor(address: Location = location, kept: Storage = sessionStorage) {
    super();
    this.#kept = kept;
    const given = tokenIn(address.hash);
    if (given) {
      kept.setItem(KEPT, given);
      history.replaceState(null, '', address.pathname + address.search);
    }
    this.token = given ?? kept.getItem(KEPT) ?? undefined;
  }

  /** Whether a token was given, now or before in this tab. */
  static isThere(address: Location = location, kept: Storage = sessionStorage): boolean {
    return tokenIn(address.hash) !== undefined || kept.getItem(KEPT) !== null;
  }

  async getToken(): Promise<string | undefined> {
    return this.token;
  }

  renewToken(): Promise<string | undefined> {
    return this.waiting.ask();
  }

  async signIn(): Promise<void> {
    // whoever gave the address gives another one
  }

  /** @throws Error: there is no token in it. */
  async signInAgain(given = ''): Promise<void> {
    const token = tokenIn(given) ?? given.trim();
    if (token.split('.').length !== 3) throw new Error('There is no token in it.');
    this.#kept.setItem(KEPT, token);
    this.token = token;
    this.waiting.end(token);
  }

  async signOut(): Promise<void> {
    this.#kept.removeItem(KEPT);
    this.token = undefined;
  }
}

/** The token in an address, or in its fragment. */
function tokenIn(address: string): string | undefined {
  const hash = address.slice(address.indexOf('#') + 1);
  return new URLSearchParams(hash).get('token') ?? undefined;
}
