import { MsrError, type Schemas } from '../lib';

/** What the console knows before anybody has signed in. */
export type About = Schemas['ConsoleView'];

/** @throws MsrError: the server does not say it. */
export async function readAbout(): Promise<About> {
  const response = await fetch('console.json');
  if (!response.ok) throw MsrError.from(response, await response.json().catch(() => undefined));
  const { data } = (await response.json()) as { data: About };
  return data;
}
