import { Channel } from './channel.ts';
import { Session } from './session.ts';

/** How often is looked whether the parent is still there. */
const WATCH_MS = 250;
/** How long workers get to end in good order when nobody listens any more. */
const GRACE_MS = 1000;

export interface ServeOptions {
  /** Descriptor of one end of a socket pair. */
  socket: number;
  /** Descriptor of the file that batches go into. */
  memory: number;
  /** The process that has the other end: when it is gone, this one ends, even if a child of it holds the socket open. */
  parent: number;
}

/** Serves one loader until the other side has closed the socket. Ends the process when the parent is gone. */
export async function serve({ socket, memory, parent }: ServeOptions): Promise<void> {
  const watch = setInterval(() => {
    if (process.ppid !== parent) process.exit(0);
  }, WATCH_MS);
  const channel = new Channel(socket);
  process.on('warning', ({ name, message }) => channel.send({ warning: { name, message } }));
  const session = new Session(channel, memory);
  await channel.closed;
  clearInterval(watch);
  await Promise.race([session.close(), new Promise((resolve) => setTimeout(resolve, GRACE_MS).unref())]);
}
