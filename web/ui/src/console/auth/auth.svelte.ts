/** Whether a sign-in holds: it may have ended, and whoever uses the page may have put off to sign in again. */
export type Standing = 'good' | 'ended' | 'put off';

/** Who uses the console, and the token that says so. */
export interface Auth {
  /** Whether there is a token to begin with. */
  readonly signedIn: boolean;
  /** Whether the token could be renewed when it had to be; while it is `ended`, requests wait. */
  readonly standing: Standing;
  /** Whether one signs in at a realm; otherwise tokens are given. */
  readonly atRealm: boolean;
  /** The name that the token holds, for people. */
  readonly name: string | undefined;
  /** The tenant that is worked for, by its name or else its id. */
  readonly tenant: string | undefined;
  readonly roles: readonly string[];
  getToken(): Promise<string | undefined>;
  /** A new token in place of one that was refused; when there is none, it waits until somebody has signed in again. */
  renewToken(): Promise<string | undefined>;
  signIn(): Promise<void>;
  /** Sign in again while the page stays as it is; `given` is a token or an address with one, where tokens are given. */
  signInAgain(given?: string): Promise<void>;
  /** Go on without: what needs a token fails, until `signInAgain`. */
  putOff(): void;
  /** Ask for it after all. */
  resume(): void;
  signOut(): Promise<void>;
}

/** What the requests wait for whose token was refused: one new sign-in for all of them. */
export class Waiting {
  standing = $state.raw<Standing>('good');
  #done: ((token: string | undefined) => void) | undefined;
  #token: Promise<string | undefined> | undefined;

  /** The token of the next sign-in, or nothing when it was put off. */
  ask(): Promise<string | undefined> {
    if (this.standing === 'put off') return Promise.resolve(undefined);
    this.standing = 'ended';
    this.#token ??= new Promise((done) => (this.#done = done));
    return this.#token;
  }

  resume(): void {
    this.standing = 'ended';
  }

  end(token: string | undefined): void {
    this.standing = token === undefined ? 'put off' : 'good';
    this.#done?.(token);
    this.#done = this.#token = undefined;
  }
}

/** What is the same wherever tokens come from: what they say, and the wait for a new one. */
export abstract class TokenHolder {
  protected readonly waiting = new Waiting();
  /** The token that is held now. */
  protected abstract readonly token: string | undefined;
  readonly #said = $derived.by(() => claims(this.token));

  get signedIn(): boolean {
    return this.token !== undefined;
  }

  get standing(): Standing {
    return this.waiting.standing;
  }

  get name(): string | undefined {
    return nameIn(this.#said);
  }

  get tenant(): string | undefined {
    return tenantIn(this.#said);
  }

  get roles(): readonly string[] {
    return rolesIn(this.#said);
  }

  putOff(): void {
    this.waiting.end(undefined);
  }

  resume(): void {
    this.waiting.resume();
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

/** The name in a token, for people. */
export function nameIn(said: Record<string, unknown>): string | undefined {
  return text(said['preferred_username']) ?? text(said['sub']);
}

/** The tenant in a token, by its name or else its id. */
export function tenantIn(said: Record<string, unknown>): string | undefined {
  const tenant = said['active_tenant'] as Record<string, unknown> | undefined;
  return text(tenant?.['tenant_name']) ?? text(tenant?.['tenant_id']);
}

/** The roles in a token: the realm's and the tenant's. */
export function rolesIn(said: Record<string, unknown>): string[] {
  const of = (value: unknown): string[] => ((value as { roles?: string[] } | undefined)?.roles ?? []).map(String);
  return [...of(said['realm_access']), ...of(said['active_tenant'])];
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}
