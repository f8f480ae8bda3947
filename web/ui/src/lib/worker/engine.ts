import type { Channel } from './port';
import type { Said, Told } from './protocol';

/** Fetches, folds and answers, in a thread of its own. */
export class Engine {
  constructor(private readonly channel: Channel<Told, Said>) {
    channel.listen((said) => this.#hear(said));
  }

  #hear(said: Said): void {
    if (said.kind === 'call') this.channel.send({ kind: 'answer', number: said.number });
  }
}
