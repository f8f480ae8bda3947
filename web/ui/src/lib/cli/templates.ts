/** What `msr-replay add` writes: which file, and what is in it. */
export interface Written {
  readonly path: string;
  readonly text: string;
}

/** The files of the modlet for a route such as `msr` or `tools/replay`. */
export function files(route: string): Written[] {
  return [
    { path: `src/routes/${route}/api/[...path]/+server.ts`, text: HANDLER },
    { path: `src/routes/${route}/+page.svelte`, text: page(route) },
  ];
}

const HANDLER = `import { env } from '$env/dynamic/private';
import type { RequestEvent } from '@sveltejs/kit';
import { createReplayHandler } from 'msr-replay/sveltekit';

/** The bearer token of who asks. It stays on this server: take it from where your application keeps it. */
function getToken({ locals }: RequestEvent): string | undefined {
  return (locals as { accessToken?: string }).accessToken ?? env['MSR_TOKEN'];
}

/** Passes the replay's routes on to MSR, and nothing else. */
const handler = createReplayHandler<RequestEvent>({ url: () => env['MSR_URL'], getToken });

export { handler as DELETE, handler as GET, handler as PATCH, handler as POST };
`;

function page(route: string): string {
  return `<script lang="ts">
  import { base } from '$app/paths';
  import { createReplay } from 'msr-replay';
  import { Replay } from 'msr-replay/components';

  const client = createReplay({ baseUrl: \`\${base}/${route}/api\` });
</script>

<svelte:head><title>Replay</title></svelte:head>

<main>
  <h1>Replay</h1>
  <div class="replay"><Replay {client} /></div>
</main>

<style>
  /* Colours and sizes are variables, --msr-…; set them on any element around the parts. */
  .replay {
    height: 80vh;
  }
</style>
`;
}

/** What is added to the end of the file that says which variables the server needs. */
export const ENVIRONMENT = `
# MSR, multi-session replay: where its worker is
MSR_URL=http://127.0.0.1:8080
`;
