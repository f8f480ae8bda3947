import { Engine } from './engine';
import type { Said, Told } from './protocol';

new Engine({
  send: (told: Told, transfer: Transferable[] = []) => self.postMessage(told, { transfer }),
  listen: (listener) => self.addEventListener('message', (event: MessageEvent<Said>) => listener(event.data)),
  close: () => self.close(),
});
