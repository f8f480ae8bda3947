import type { Schemas } from '../lib';

/** What the console knows before anybody has signed in. */
export type About = Schemas['ConsoleView'];

export async function readAbout(): Promise<About> {
  const response = await fetch('console.json');
  const { data } = (await response.json()) as { data: About };
  return data;
}
