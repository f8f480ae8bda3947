import { MsrError } from '../client/errors';
import type { Answer, CallName, Calls, EngineOptions, Said, Told, Wish } from './protocol';

/** Either end of a way between page and engine: a `Worker`, a `MessagePort`. */
export interface Channel<Out, In> {
  send(message: Out, transfer?: Transferable[]): void;
  listen(listener: (message: In) => void): void;
  close(): void;
}

export type Listener = (told: Exclude<Told, { kind: 'answer' | 'token' }>) => void;

/** Where tokens come from; `renew`: the last one was refused. */
export type TokenSource = (renew: boolean) => Promise<string | undefined>;

/** The engine as the page sees it: wishes, questions with answers, and what it tells. */
export class EnginePort {
  #number = 0;
  readonly #waiting = new Map<number, { resolve: (value: never) => void; reject: (error: MsrError) => void }>();
  readonly #listeners = new Set<Listener>();

  constructor(
    private readonly channel: Channel<Said, Told>,
    private readonly tokens: TokenSource,
  ) {
    channel.listen((told) => this.#hear(told));
  }

  begin(options: EngineOptions): void {
    this.channel.send({ kind: 'begin', options });
  }

  show(wish: Wish): void {
    this.channel.send({ kind: 'show', wish });
  }

  setSession(id: string | undefined): void {
    this.channel.send({ kind: 'session', id });
  }

  /** Stop loading; what is there stays. */
  cancel(): void {
    this.channel.send({ kind: 'cancel' });
  }

  call<Name extends CallName>(name: Name, ...args: Parameters<Calls[Name]>): Promise<Answer<Name>> {
    const number = ++this.#number;
    return new Promise<Answer<Name>>((resolve, reject) => {
      this.#waiting.set(number, { resolve, reject });
      this.channel.send({ kind: 'call', number, name, args });
    });
  }

  listen(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  close(): void {
    for (const { reject } of this.#waiting.values()) reject(new MsrError('ABORTED', 'it was closed'));
    this.#waiting.clear();
    this.channel.close();
  }

  #hear(told: Told): void {
    if (told.kind === 'answer') return this.#answer(told);
    if (told.kind === 'token') return void this.#sendToken(told.number, told.renew);
    for (const listener of this.#listeners) listener(told);
  }

  #answer(told: Told & { kind: 'answer' }): void {
    const waiting = this.#waiting.get(told.number);
    this.#waiting.delete(told.number);
    if (told.error) waiting?.reject(MsrError.fromJSON(told.error));
    else waiting?.resolve(told.value as never);
  }

  async #sendToken(number: number, renew: boolean): Promise<void> {
    const token = await this.tokens(renew).catch(() => undefined);
    this.channel.send({ kind: 'token', number, token });
  }
}
