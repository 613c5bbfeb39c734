import { join } from 'node:path';
import { CaseError, CheckpointError, OptionError } from '../../common/errors.ts';
import { patchOf, show, type Triple, transpose, voxels } from '../../common/geometry.ts';
import { checkOptions, checkValue, type Given, type OptionTable } from '../../common/options.ts';
import { callback, flag, list, text } from '../../common/schemas.ts';
import { type Configuration, plannedReader, readPlans, resolveConfiguration } from '../../plans/plans-file.ts';
import { normalise } from '../../preprocessing/normalise.ts';
import { resampleCase, transposeCase } from '../../preprocessing/resample-case.ts';
import { type DatasetDescription, readClassOrder, readDatasetJson } from '../../raw/dataset-json.ts';
import { type CroppedCase, cropImages, readImages, readSegmentation } from '../../raw/read-case.ts';
import type { NotedReading, Reader } from '../../raw/readers.ts';
import { back, turnVolume } from '../../raw/reorient.ts';
import { DATASET_FILE } from '../../store/file-names.ts';
import { CHECKPOINT_FILE, type Checkpoint, PLANS_COPY, readCheckpoint, readNumbers } from '../checkpoint.ts';
import { Gpu } from '../gpu/device.ts';
import { Program } from '../gpu/program.ts';
import { tilingFor } from '../gpu/tile.ts';
import { Unet } from '../network/unet.ts';
import { labelsOf, type Origin } from './export.ts';
import { slidingWindow } from './sliding-window.ts';

export const PREDICT_OPTIONS = {
  /** Also predict every window mirrored along all axes, and take the mean: up to eight times the work. Default false. */
  mirror: { schema: flag(), default: false, flag: '--mirror', help: 'predict mirrored windows, too: better and up to eight times as slow' },
  /** For a cascade's second stage: the file with the labels that the previous stage gave the case, on its images' grid. */
  previousStage: {
    schema: text('the path of a file'),
    otherwise: 'no cascade',
    help: 'the file with the labels that the previous stage of a cascade gave the case',
  },
  /** Told whenever a window is done. */
  onWindow: { schema: callback<(done: number, total: number) => void>(), help: 'told whenever a window is done' },
  /** Told what is odd about an image and was overlooked. */
  onNote: { schema: callback<(note: string) => void>(), help: 'told what is odd about an image and was overlooked' },
} as const satisfies OptionTable;

/** How an image is labelled. */
export interface PredictOptions extends Given<typeof PREDICT_OPTIONS> {}

/** A trained network, ready to label images. */
export class Predictor implements Disposable {
  /** The data set that it was trained on. */
  readonly description: DatasetDescription;
  /** By whose rules images are read. */
  readonly reader: Reader;
  readonly #configuration: Configuration;
  /** The label of each region, where the network learnt regions. */
  readonly #regions: number[] | null;
  readonly #checkpoint: Checkpoint;
  readonly #gpu: Gpu;
  readonly #unet: Unet;
  readonly #program: Program;

  /** Opens the folder that `voxfeed train` wrote. @throws CheckpointError, PlansError, DatasetError, GpuError */
  static async open(dir: string): Promise<Predictor> {
    const checkpoint = await readCheckpoint(dir);
    if (checkpoint === null)
      throw new CheckpointError(dir, `there is no ${CHECKPOINT_FILE}`, 'Give the folder that `voxfeed train --out` wrote');
    const datasetPath = join(dir, DATASET_FILE);
    const description = await readDatasetJson(datasetPath);
    const plansPath = join(dir, PLANS_COPY);
    const { options } = checkpoint;
    const regions = options.regions ? readClassOrder(datasetPath, description.regionsClassOrder, options.regions.length) : null;
    const plans = await readPlans(plansPath);
    const configuration = resolveConfiguration(plansPath, plans, options.configuration);
    const reader = plannedReader(plansPath, plans, description);
    const gpu = await Gpu.open(options.precision);
    try {
      // What was trained in mixed precision predicts on adapters that cannot, too.
      const precision = gpu.hasHalf ? options.precision : 'float32';
      const unet = new Unet({ ...options, batch: 1, heads: 1, precision, tiling: tilingFor(gpu, precision) });
      // What is not read again would share its buffer.
      unet.logits[0].memory.persistent = true;
      const program = await Program.compile(gpu, unet.forward);
      const { list, values } = unet.parameters;
      program.write(values, (await readNumbers(dir, checkpoint, list, values.length)).values);
      return new Predictor(description, { configuration, reader, regions }, checkpoint, { gpu, unet, program });
    } catch (error) {
      gpu.close();
      throw error;
    }
  }

  private constructor(
    description: DatasetDescription,
    { configuration, reader, regions }: { configuration: Configuration; reader: Reader; regions: number[] | null },
    checkpoint: Checkpoint,
    { gpu, unet, program }: { gpu: Gpu; unet: Unet; program: Program },
  ) {
    this.description = description;
    this.#configuration = configuration;
    this.#regions = regions;
    this.reader = reader;
    this.#checkpoint = checkpoint;
    this.#gpu = gpu;
    this.#unet = unet;
    this.#program = program;
  }

  /**
   * Labels of one case in its own grid, [z, y, x].
   * @param paths one file a channel, in channel order
   * @throws OptionError, CaseError naming the file, FileError, GpuError
   */
  async predict(paths: readonly string[], options: PredictOptions = {}): Promise<Int16Array> {
    const { mirror, onWindow, onNote, previousStage } = checkOptions(PREDICT_OPTIONS, options);
    const { patchSize, classes } = this.#checkpoint.options;
    const { volumes, origin } = await this.#prepare(paths, previousStage, onNote);
    const flat = patchSize.length === 2;
    const logits = await slidingWindow(volumes, (patch) => this.#window(patch), {
      window: patchOf(patchSize),
      classes,
      mirrorAxes: mirror ? (flat ? [1, 2] : [0, 1, 2]) : [],
      ...(onWindow && { onWindow }),
    });
    const labels = labelsOf(logits, volumes.shape, volumes.spacing, origin, this.#regions);
    const { shape, turn } = volumes.file;
    // The reader may have turned the image.
    return turnVolume(labels, transpose(shape, turn.from), back(turn));
  }

  /** What preprocessing does to a case of the store. */
  async #prepare(
    paths: readonly string[],
    previousStage: string | undefined,
    onNote: PredictOptions['onNote'],
  ): Promise<{ volumes: CroppedCase; origin: Origin }> {
    checkValue(list(text('a path')), paths, 'paths');
    const { channels: names } = this.description;
    if (paths.length > names.length || paths.length === 0)
      throw new CaseError(
        paths[0],
        `${paths.length} files were given, the network wants ${names.length} channels (${names.join(', ')})`,
        'Give one file a channel',
      );
    const notes: string[] = [];
    const reading = { reader: this.reader, channels: names.length, notes };
    const images = await readImages(paths, reading);
    const segmentation = await this.#previous(previousStage, paths, images[0].shape, reading);
    for (const note of notes) onNote?.(note);
    const { transpose: order, normalisation, resampling } = this.#configuration;
    const cropped = cropImages(paths[0], images, segmentation);
    const volumes = transposeCase(cropped, order);
    const origin: Origin = {
      spacing: volumes.spacing,
      shapeBeforeCrop: volumes.shapeBeforeCrop,
      cropBox: volumes.cropBox,
      transpose: order,
    };
    for (const [i, channel] of volumes.channels.entries()) {
      try {
        normalise(channel, volumes.segmentation, normalisation[i]);
      } catch (error) {
        throw new CaseError(paths[i] ?? paths[0], (error as Error).message, 'Correct the image', { cause: error });
      }
    }
    resampleCase(paths[0], volumes, this.#configuration.spacing, resampling);
    if (previousStage !== undefined)
      for (const label of this.#cascadeLabels)
        volumes.channels.push(Float32Array.from(volumes.segmentation, (value) => +(value === label)));
    return { volumes, origin };
  }

  /** What the network gets a channel of each for, in a cascade. */
  get #cascadeLabels(): number[] {
    const { labels, channels } = this.description;
    return this.#checkpoint.options.channels > channels.length ? labels.values.slice(1) : [];
  }

  /** The labels of the previous stage, on the images' grid; nothing but background outside a cascade. */
  async #previous(
    path: string | undefined,
    images: readonly string[],
    shape: Triple,
    reading: NotedReading,
  ): Promise<Int8Array | Int16Array> {
    const wanted = this.#cascadeLabels.length > 0;
    if (wanted !== (path !== undefined))
      throw new OptionError(
        'previousStage',
        wanted
          ? `the network goes on from ${this.#configuration.previousStage ?? 'a previous stage'}, whose labels of the case are not given`
          : 'the network goes on from no previous stage',
        wanted ? 'Give the file with them' : 'Leave it out',
      );
    if (path === undefined) return new Int8Array(voxels(shape));
    const found = await readSegmentation({ id: images[0], images: [...images], label: path }, this.description.labels, reading);
    if (found.shape.join() === shape.join()) return found.data;
    throw new CaseError(path, `its shape is ${show(found.shape)}, that of the images ${show(shape)}`, 'Give the labels of the same images');
  }

  async #window(patch: Float32Array): Promise<Float32Array> {
    this.#program.write(this.#unet.input.memory, patch);
    const encoder = this.#gpu.device.createCommandEncoder();
    this.#program.encode(encoder, this.#unet.forward);
    this.#gpu.device.queue.submit([encoder.finish()]);
    return this.#program.readFloats(this.#unet.logits[0].memory);
  }

  /** Gives the GPU back. */
  close(): void {
    this.#gpu.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
