/** Does some work, never twice at a time: whoever asks meanwhile waits for one more run, which all of them share. */
export class Latest {
  #wanted = false;
  #running: Promise<void> | null = null;

  constructor(private readonly work: () => Promise<void>) {}

  run(): Promise<void> {
    this.#wanted = true;
    return (this.#running ??= this.#drain().finally(() => (this.#running = null)));
  }

  async #drain(): Promise<void> {
    while (this.#wanted) {
      this.#wanted = false;
      await this.work();
    }
  }
}
