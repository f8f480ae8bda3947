import type { Auth } from '../auth/auth.svelte';
import type { Router } from '../router.svelte';

/** What every view is given. */
export interface ViewProps {
  readonly auth: Auth;
  readonly router: Router;
}
