/** Who uses the console, and the token that says so. */
export interface Auth {
  /** Whether there is a token to begin with. */
  readonly signedIn: boolean;
  /** The name that the token holds, for people. */
  readonly name: string | undefined;
  readonly roles: readonly string[];
  getToken(): Promise<string | undefined>;
  /** A new token in place of one that was refused. */
  renewToken(): Promise<string | undefined>;
  signIn(): Promise<void>;
  signOut(): Promise<void>;
}

const KEPT = 'msr.token';

/** A token from the address (`#token=…`), as the demo gives one; it leaves the address at once, and stays in the tab. */
export class GivenToken implements Auth {
  #token = $state.raw<string | undefined>(undefined);

  constructor(address: Location = location, kept: Storage = sessionStorage) {
    const given = new URLSearchParams(address.hash.slice(1)).get('token');
    if (given) {
      kept.setItem(KEPT, given);
      history.replaceState(null, '', address.pathname + address.search);
    }
    this.#token = given ?? kept.getItem(KEPT) ?? undefined;
  }

  get signedIn(): boolean {
    return this.#token !== undefined;
  }

  get name(): string | undefined {
    const name = this.#claims['preferred_username'];
    return typeof name === 'string' ? name : undefined;
  }

  get roles(): readonly string[] {
    const of = (value: unknown): string[] => ((value as { roles?: string[] } | undefined)?.roles ?? []).map(String);
    return [...of(this.#claims['realm_access']), ...of(this.#claims['active_tenant'])];
  }

  async getToken(): Promise<string | undefined> {
    return this.#token;
  }

  async renewToken(): Promise<string | undefined> {
    return undefined;
  }

  async signIn(): Promise<void> {
    // whoever gave the address gives another one
  }

  async signOut(): Promise<void> {
    sessionStorage.removeItem(KEPT);
    this.#token = undefined;
  }

  get #claims(): Record<string, unknown> {
    return claims(this.#token);
  }
}

/** What a token says; nothing of it is verified here, the server does that. */
export function claims(token: string | undefined): Record<string, unknown> {
  try {
    const body = (token ?? '').split('.')[1] ?? '';
    const bytes = Uint8Array.from(atob(body.replaceAll('-', '+').replaceAll('_', '/')), (char) => char.charCodeAt(0));
    return JSON.parse(new TextDecoder().decode(bytes)) as Record<string, unknown>;
  } catch {
    return {};
  }
}
