import type { PresetName } from '../augmentation/presets.ts';
import { OptionError } from '../common/errors.ts';
import type { Triple } from '../common/geometry.ts';
import { availableCores } from '../common/granted.ts';
import { Digest } from '../common/hash.ts';
import { PatchLoader } from '../loader/loader.ts';
import { flagWords } from '../loader/options/flag-words.ts';
import { prepareOptions } from '../loader/options/prepare.ts';
import { foregroundOf } from '../raw/labels.ts';
import type { Store } from '../store/store.ts';
import { aboutPage, listCases } from './about.ts';
import type { CommandFacts, SpeedFacts } from './facts.ts';
import { Live } from './live.ts';
import { encodePacket, type Packet } from './packet.ts';
import { type Answer, json } from './server.ts';
import { numberOf, type StreamOptions, withSettings } from './settings.ts';
import { describeSteps } from './steps.ts';
import { ViewThread } from './thread.ts';

const MOST_PLANNED = 20_000;
const MOST_HASHED = 1000;
/** Watching whoever takes batches: the page itself. */
const DIAGNOSED_SECONDS = 2;
const MOST_STEP_MS = 60_000;

/** What a path under `api/` answers. */
type Route = (query: URLSearchParams, options: StreamOptions, gone: AbortSignal) => Promise<Answer>;

/** Answers the page's questions about one store: facts as JSON, voxels as packets (see `encodePacket`). */
export class ViewApi implements AsyncDisposable {
  readonly #store: Store;
  readonly #base: StreamOptions;
  readonly #thread: ViewThread;
  readonly #live: Live;
  readonly #routes: Record<string, Route>;

  /** @param base the command line's options */
  constructor(store: Store, base: StreamOptions) {
    this.#store = store;
    this.#base = base;
    this.#thread = new ViewThread(store.dir);
    this.#live = new Live(store, (options, batch, channel) => this.#thread.packet({ kind: 'batch', options, batch, channel }));
    this.#routes = {
      about: async () => json(await aboutPage(store, base)),
      batch: async (query, options) => packet(await this.#live.batch(options, numberOf(query, 'batch', 0), this.#channel(query))),
      sample: async (query, options) => packet(await this.#thread.packet({ kind: 'sample', ...this.#sample(query, options) })),
      nifti: async (query, options) => this.#nifti(query, options),
      steps: async (query, options) => json(await this.#steps(query, options)),
      hash: async (query, options, gone) => json({ hash: await this.#hash(options, numberOf(query, 'batches', 4, MOST_HASHED), gone) }),
      command: async (_, { augmentation: __, ...options }) => json({ flags: flagWords(options) } satisfies CommandFacts),
      cases: async () => json(listCases(store)),
      volume: async (query) => packet(await this.#thread.packet({ kind: 'volume', ...this.#case(query) })),
      'volume-nifti': async (query) => ({
        type: 'application/octet-stream',
        body: await this.#thread.bytes({ kind: 'case-nifti', part: partOf(query), ...this.#case(query) }),
      }),
      planned: async (query, options) => this.#planned(options, numberOf(query, 'count', 1000, MOST_PLANNED)),
      speed: async (query, options) => json(await this.#speed(query, options)),
      doctor: async (_, options) => json(await (await this.#live.running(options, null)).loader.diagnose({ seconds: DIAGNOSED_SECONDS })),
    };
  }

  /**
   * Null where there is no such question.
   * @param gone ends what takes long
   * @throws what a loader with the page's options throws
   */
  async answer(name: string, query: URLSearchParams, gone: AbortSignal = new AbortController().signal): Promise<Answer | null> {
    const route = Object.hasOwn(this.#routes, name) ? this.#routes[name] : undefined;
    return route === undefined ? null : route(query, withSettings(this.#base, query.get('options')), gone);
  }

  #channel(query: URLSearchParams): number {
    return numberOf(query, 'channel', 0, this.#store.index.channels.length - 1);
  }

  #case(query: URLSearchParams) {
    return { caseNumber: numberOf(query, 'case', 0, this.#store.cases.length - 1), channel: this.#channel(query) };
  }

  #sample(query: URLSearchParams, options: StreamOptions) {
    const at = query.get('at')?.split(',').map(Number) ?? null;
    if (at !== null && !(at.length === 3 && at.every((position) => Number.isSafeInteger(position) && position >= 0)))
      throw new OptionError('at', 'it is no place', 'Give three whole numbers from 0: z,y,x');
    const place = { at: at as Triple | null, channel: this.#channel(query), ends: query.get('stages') === 'ends' };
    return { options, config: query.get('config'), sample: numberOf(query, 'sample', 0), ...place };
  }

  async #nifti(query: URLSearchParams, options: StreamOptions): Promise<Answer> {
    const { at: _, ends: __, ...sample } = this.#sample(query, options);
    const side = query.get('side') === 'before' ? 'before' : 'after';
    const part = partOf(query);
    const body = await this.#thread.bytes({ kind: 'nifti', part, side, ...sample });
    return { type: 'application/octet-stream', body, saveAs: `sample-${sample.sample}-${side}-${part}.nii.gz` };
  }

  /** The pipeline that options come to; of a preset by name, what `presetSteps` gives for the patch. */
  async #steps(query: URLSearchParams, options: StreamOptions) {
    const preset = query.get('preset');
    const asked = preset === null ? options : { ...options, augmentation: preset as PresetName };
    const { streams } = await prepareOptions({ ...asked, store: this.#store });
    return describeSteps(streams.common.augmentation);
  }

  /** As `voxfeed bench --batches N` has it, made by workers. */
  async #hash(options: StreamOptions, batches: number, gone: AbortSignal): Promise<string> {
    await using loader = await PatchLoader.create({ ...options, store: this.#store });
    gone.throwIfAborted();
    // Whoever waits for a batch is told so.
    gone.addEventListener('abort', () => void loader.close(), { once: true });
    const stream = options.validation ? loader.validation : loader.training;
    const digest = await Digest.create();
    for (let i = 0; i < batches; i++) {
      using batch = await stream.next();
      digest.update(batch.data).update(batch.target);
    }
    return digest.hex();
  }

  async #planned(options: StreamOptions, count: number): Promise<Answer> {
    const { facts, arrays } = await this.#thread.packet({ kind: 'planned', options, count });
    const none = { patches: 0, holding: foregroundOf(this.#store.classes).map(() => 0) };
    return packet({ facts: { ...(facts as object), realised: this.#live.seen(options) ?? none }, arrays });
  }

  async #speed(query: URLSearchParams, options: StreamOptions): Promise<SpeedFacts> {
    const consuming = query.has('step');
    const { loader, nextBatch } = await this.#live.running(options, consuming ? numberOf(query, 'step', 0, MOST_STEP_MS) : null);
    const { user, system } = process.cpuUsage();
    return {
      time: performance.now() / 1000,
      metrics: loader.metrics(),
      memory: loader.memory().parts,
      residentBytes: process.memoryUsage.rss(),
      cpuSeconds: (user + system) / 1e6,
      cores: availableCores(),
      batch: nextBatch,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#live[Symbol.asyncDispose]();
    await this.#thread[Symbol.asyncDispose]();
  }
}

function packet(content: Packet): Answer {
  return { type: 'application/octet-stream', body: encodePacket(content) };
}

function partOf(query: URLSearchParams): 'image' | 'labels' {
  return query.get('part') === 'labels' ? 'labels' : 'image';
}
