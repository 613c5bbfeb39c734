import { type Channel, channel } from 'node:diagnostics_channel';

/**
 * What voxfeed tells on `node:diagnostics_channel`, by the name of the channel. Whatever ends in Ms is in milliseconds; batches, samples and
 * epochs are counted from 0; a stream is 'training' or 'validation'. Nothing is made that nobody has subscribed to.
 * @example
 * import { subscribe } from 'node:diagnostics_channel';
 * subscribe('voxfeed:batch', (event) => console.log((event as VoxfeedEvents['voxfeed:batch']).waitMs));
 */
export interface VoxfeedEvents {
  /** A loader was created, and has begun to fill batches. */
  'voxfeed:loader': { loader: object };
  /** A batch was handed out. `fillMs`: from its plan to its last sample; `waitMs`: how long somebody waited for it. */
  'voxfeed:batch': { stream: string; batch: number; epoch: number; config: string; samples: number; fillMs: number; waitMs: number };
  /** Somebody asks for a batch that is not ready. `held`: batches of the ring that consumers have in their hands, of `ring`. */
  'voxfeed:wait': { stream: string; batch: number; held: number; ring: number };
  /** A sample was written, by the `tries`-th worker that tried. */
  'voxfeed:sample': { stream: string; sample: number; caseId: string; config: string; tries: number };
  /** A worker has answered. `busyMs`: what it took for so many samples; `cpuMs`: what it computed of that; `error`: why it stopped early. */
  'voxfeed:task': { samples: number; busyMs: number; cpuMs: number; error: string | null };
  /** A worker died, the `deaths`-th of its loader, and is replaced unless that is hopeless. */
  'voxfeed:death': { reason: string; deaths: number };
  /** With `workers: 'auto'`: how many workers there are from now on, and were before. */
  'voxfeed:workers': { workers: number; before: number };
  /** With `localCache`: a case, or what is planned with of one, has come to the local disk. */
  'voxfeed:copy': { caseId: string; bytes: number; ms: number };
  /** A worker stands still and is ended: over which sample, at what. */
  'voxfeed:stall': { stream: string; sample: number; caseId: string; reason: string };
}

const channels = new Map<string, Channel>();

/** @param event what is told, made where somebody listens */
export function publish<N extends keyof VoxfeedEvents>(name: N, event: () => VoxfeedEvents[N]): void {
  let known = channels.get(name);
  if (known === undefined) {
    known = channel(name);
    channels.set(name, known);
  }
  if (known.hasSubscribers) known.publish(event());
}
