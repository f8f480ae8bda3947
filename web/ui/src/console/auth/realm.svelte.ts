import { UserManager, WebStorageStateStore, type User } from 'oidc-client-ts';
import type { About } from '../about';
import { TokenHolder, type Auth } from './auth.svelte';

/** A token that lasts no longer than this is renewed before it is used, seconds. */
const SHORT = 20;

/**
 * The code flow with PKCE (RFC 6749, section 4.1; RFC 7636) at the realm that the worker trusts. The tokens stay in
 * the tab; they are renewed by the refresh token, and where that fails, by a window beside the page.
 */
export class RealmAuth extends TokenHolder implements Auth {
  readonly atRealm = true;
  readonly #manager: UserManager;
  #user = $state.raw<User | null>(null);
  protected readonly token = $derived(this.#user?.access_token);
  #renewing: Promise<string | undefined> | undefined;

  constructor(about: About) {
    super();
    const here = location.origin + location.pathname;
    this.#manager = new UserManager({
      authority: about.issuer,
      client_id: about.client_id,
      redirect_uri: here,
      post_logout_redirect_uri: here,
      scope: 'openid',
      automaticSilentRenew: false, // it is renewed here, so that whoever waits for a token gets the new one
      userStore: new WebStorageStateStore({ store: sessionStorage }),
    });
    this.#manager.events.addAccessTokenExpiring(() => void this.#renew());
  }

  /** Whether this page is the realm's answer. */
  static isAnswer(search: string = location.search): boolean {
    const query = new URLSearchParams(search);
    return query.has('state') && (query.has('code') || query.has('error'));
  }

  /**
   * Take the realm's answer from the address, or what the tab has kept.
   *
   * @throws Error: the realm has refused, or cannot be reached.
   */
  async begin(): Promise<void> {
    if (RealmAuth.isAnswer()) {
      const [answer, here] = [location.href, location.pathname];
      history.replaceState(null, '', here); // nobody shall reload, share or keep a code that was used
      this.#user = await this.#manager.signinRedirectCallback(answer);
      history.replaceState(null, '', here + searchOf(this.#user.state));
      dispatchEvent(new PopStateEvent('popstate'));
    } else {
      this.#user = await this.#manager.getUser();
      if (this.#user && lasts(this.#user) < SHORT && !(await this.#renew())) this.#user = null;
    }
  }

  /** In the window beside the page: hand the realm's answer over; the window closes. */
  async handOver(): Promise<void> {
    await this.#manager.signinPopupCallback();
  }

  async getToken(): Promise<string | undefined> {
    if (this.#user && lasts(this.#user) < SHORT) return this.renewToken();
    return this.#user?.access_token;
  }

  async renewToken(): Promise<string | undefined> {
    if (!this.#user) return undefined;
    return (await this.#renew()) ?? this.waiting.ask();
  }

  async signIn(): Promise<void> {
    await this.#manager.signinRedirect({ state: location.search });
  }

  /** @throws Error: the window was closed before, or the realm has refused. */
  async signInAgain(): Promise<void> {
    const user = await this.#manager.signinPopup({ popupWindowFeatures: { width: 480, height: 640 } });
    this.#user = user;
    this.waiting.end(user.access_token);
  }

  async signOut(): Promise<void> {
    await this.#manager.signoutRedirect();
  }

  /** One renewal for all who ask at a time; nothing: it failed. */
  #renew(): Promise<string | undefined> {
    this.#renewing ??= this.#askRealm().finally(() => (this.#renewing = undefined));
    return this.#renewing;
  }

  async #askRealm(): Promise<string | undefined> {
    try {
      if (!this.#user?.refresh_token) return undefined;
      const user = await this.#manager.signinSilent();
      if (user) this.#user = user;
      return user?.access_token;
    } catch {
      return undefined; // whoever needs the token asks people
    }
  }
}

/** Seconds that a token is still good for. */
function lasts(user: User): number {
  return user.expires_in ?? Infinity;
}

/** The query that the page had before it went to the realm. */
function searchOf(state: unknown): string {
  return typeof state === 'string' && state.startsWith('?') ? state : '';
}
