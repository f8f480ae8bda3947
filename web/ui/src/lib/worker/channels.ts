import type { Channel } from './port';
import type { Said, Told } from './protocol';

/** The way to an engine in a thread of its own. */
export function startWorker(): Channel<Said, Told> {
  if (typeof Worker === 'undefined') return SILENT;
  const worker = new Worker(new URL('./engine.worker.ts', import.meta.url), { type: 'module', name: 'msr-engine' });
  return {
    send: (message, transfer = []) => worker.postMessage(message, transfer),
    listen: (listener) => worker.addEventListener('message', (event: MessageEvent<Told>) => listener(event.data)),
    close: () => worker.terminate(),
  };
}

/** Where pages are rendered there is no engine: nothing is asked, nothing is shown but that it loads. */
const SILENT: Channel<Said, Told> = { send: () => undefined, listen: () => undefined, close: () => undefined };

/** A way within one thread, both its ends: for tests, and where there are no workers. */
export function pair<A, B>(): [Channel<A, B>, Channel<B, A>] {
  const { port1, port2 } = new MessageChannel();
  return [end<A, B>(port1), end<B, A>(port2)];
}

function end<Out, In>(port: MessagePort): Channel<Out, In> {
  return {
    send: (message, transfer = []) => port.postMessage(message, transfer),
    listen: (listener) => {
      port.onmessage = (event: MessageEvent<In>) => listener(event.data);
    },
    close: () => port.close(),
  };
}
