import { spatialOf } from '../augmentation/pipeline.ts';
import { boxShape, type Triple, voxels } from '../common/geometry.ts';
import { type Checksum, hasher } from '../common/hash.ts';
import { encodeNifti, niftiBytes } from '../formats/nifti-writer.ts';
import { outlinedLabels } from '../pictures/outlined-labels.ts';
import { describeOperation } from '../pictures/words.ts';
import { patchAffine } from '../store/patch-affine.ts';
import { openStore, type Store } from '../store/store.ts';
import { type CardContext, makeCard } from './cards.ts';
import type { BatchFacts, SampleFacts } from './facts.ts';
import type { Packet } from './packet.ts';
import { planPatches } from './planned.ts';
import { type OpenConfiguration, OpenStreams } from './replayers.ts';
import { cornersOf, makeStages, type Stage, showStages } from './stages.ts';
import type { ViewTask } from './task.ts';
import { readVolume } from './volumes.ts';

type TaskOf<K extends ViewTask['kind']> = Extract<ViewTask, { kind: K }>;

/** What the thread of the page does: samples made again, volumes read, patches planned. It has a store of its own. */
export class ViewWork {
  readonly #store: Store;
  readonly #streams: OpenStreams;
  readonly #checksum: Checksum;
  /** Of the sample asked for last: other slices of it are to come at once. */
  #last: { key: string; stages: Stage[] } | null = null;

  static async open(dir: string): Promise<ViewWork> {
    return new ViewWork(await openStore(dir), await hasher());
  }

  constructor(store: Store, checksum: Checksum) {
    this.#store = store;
    this.#streams = new OpenStreams(store);
    this.#checksum = checksum;
  }

  /** @throws what a loader with the task's options throws */
  async do(task: ViewTask): Promise<Packet | Uint8Array> {
    switch (task.kind) {
      case 'batch':
        return this.#batch(task);
      case 'sample':
        return this.#sample(task);
      case 'nifti':
        return this.#nifti(task);
      case 'volume':
        return readVolume(this.#store, task.caseNumber, task.channel);
      case 'case-nifti':
        return this.#caseNifti(task);
      case 'planned':
        return planPatches(this.#store, await this.#streams.get(task.options), task.count);
    }
  }

  async #batch({ options, batch, channel }: TaskOf<'batch'>): Promise<Packet> {
    const found = (await this.#streams.get(options)).at(batch);
    const { replayer } = found;
    const context = this.#contextOf(found, channel);
    const made = replayer.planBatch(found.index).map((plan) => {
      const { data, targets, targetChannels } = replayer.after(plan);
      return makeCard({ plan, data, target: targets[0], targetChannels }, context);
    });
    const facts: BatchFacts = { batch, config: context.config, cards: made.map(({ card }) => card), live: false };
    return { facts, arrays: Object.assign({}, ...made.map(({ arrays }) => arrays)) };
  }

  #contextOf({ options, replayer }: OpenConfiguration, channel: number): CardContext {
    const { config, patch } = options;
    return { store: this.#store, config, patch, steps: replayer.recipe.pipeline.steps, channel, checksum: this.#checksum };
  }

  async #sample(task: TaskOf<'sample'>): Promise<Packet> {
    const { options: given, config, sample, at, channel, ends } = task;
    const { options, replayer } = (await this.#streams.get(given)).named(config);
    const plan = replayer.plan(sample);
    const key = JSON.stringify([given, config, sample, ends]);
    if (this.#last?.key !== key) this.#last = { key, stages: makeStages(replayer, plan, this.#checksum, ends, this.#store.classes) };
    const { arrays, ...shown } = showStages(this.#last.stages, options.patch, channel, at);
    const { id, shape, spacing } = this.#store.cases[plan.caseNumber];
    const facts: SampleFacts = {
      ...shown,
      plan,
      id,
      config: options.config,
      className: plan.classNumber === null ? null : this.#store.classes[plan.classNumber].name,
      shape: options.patch,
      caseShape: shape,
      spacing,
      corners: cornersOf(replayer, plan),
      words: plan.operations.map((operation) => describeOperation(replayer.recipe.pipeline.steps, operation)),
      elastic: spatialOf(plan.operations)?.elastic !== undefined,
    };
    return { facts, arrays };
  }

  async #nifti({ options: given, config, sample, part, side, channel }: TaskOf<'nifti'>): Promise<Uint8Array> {
    const { replayer } = (await this.#streams.get(given)).named(config);
    const plan = replayer.plan(sample);
    const sidecar = this.#store.sidecar(plan.caseNumber);
    const { box, image, labels } = side === 'before' ? replayer.before(plan) : afterOf(replayer.after(plan));
    const shape = boxShape(box);
    const count = voxels(shape);
    const shown = part === 'image' ? image.subarray(channel * count, (channel + 1) * count) : labels;
    return encodeNifti(shown, shape, patchAffine(sidecar, box.lower));
  }

  /** For a viewer that knows millimetres: right way up, whatever the order of axes. */
  #caseNifti({ caseNumber, part, channel }: TaskOf<'case-nifti'>): Uint8Array {
    const { facts, arrays } = readVolume(this.#store, caseNumber, channel);
    const affine = patchAffine(this.#store.sidecar(caseNumber), [0, 0, 0]);
    const scaled = affine.map((row, i) => (i === 3 ? row : row.map((value, column) => (column === 3 ? value : value * facts.step))));
    const { data } = arrays[part];
    return niftiBytes(part === 'image' ? (data as Float32Array) : nonNegative(data as Int16Array), facts.shape as Triple, scaled);
  }
}

function afterOf({ box, data, targets, targetChannels }: ReturnType<OpenConfiguration['replayer']['after']>) {
  return { box, image: data, labels: outlinedLabels(targets[0], targetChannels) };
}

/** Outside is background to a viewer. */
function nonNegative(labels: Int16Array): Int16Array {
  return labels.map((label) => Math.max(label, 0));
}
