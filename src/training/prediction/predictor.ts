import { CaseError, OptionError } from '../../common/errors.ts';
import { show, type Triple, transpose, voxels } from '../../common/geometry.ts';
import { checkPath } from '../../common/names.ts';
import { checkOptions, checkValue, type Given, type OptionTable } from '../../common/options.ts';
import { callback, flag, list, text } from '../../common/schemas.ts';
import { normalise } from '../../preprocessing/normalise.ts';
import { resampleCase, transposeCase } from '../../preprocessing/resample-case.ts';
import type { DatasetDescription } from '../../raw/dataset-json.ts';
import { type CroppedCase, cropImages, readImages, readSegmentation } from '../../raw/read-case.ts';
import type { NotedReading, Reader } from '../../raw/readers.ts';
import { back, turnVolume } from '../../raw/reorient.ts';
import type { Gpu } from '../gpu/device.ts';
import { LabelVolume, largest, lastRegion, type Origin } from './export.ts';
import { MODEL_OPTIONS, type Model, type ModelOptions, openModel } from './model.ts';
import { slidingWindow } from './sliding-window.ts';
import type { WindowNetwork } from './window-network.ts';

export const PREDICT_OPTIONS = {
  /** Do not predict windows mirrored as well, along the axes that training mirrored: up to eight times faster, and less accurate. Default false. */
  disableTta: {
    schema: flag(),
    default: false,
    flag: '--disable-tta',
    help: 'do not predict windows mirrored as well, along the axes that training mirrored: up to eight times faster, and less accurate',
  },
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

/** A trained network, or those of several folds, ready to label images. */
export class Predictor implements Disposable {
  /** The data set that it was trained on. */
  readonly description: DatasetDescription;
  /** By whose rules images are read. */
  readonly reader: Reader;
  readonly #model: Model;
  readonly #gpu: Gpu;
  readonly #network: WindowNetwork;

  /**
   * Opens what `voxfeed train` wrote, a folder with `fold_0`, `fold_1` and so on of those, or one of nnU-Net's trainings whose
   * checkpoints were converted (docs/training.md#weights).
   * @throws OptionError, CheckpointError, PlansError, DatasetError, FileError, GpuError
   */
  static async open(dir: string, options: ModelOptions = {}): Promise<Predictor> {
    checkPath('dir', dir);
    const model = await openModel(dir, checkOptions(MODEL_OPTIONS, options));
    // Whoever only streams batches need not load networks.
    const [{ Gpu }, { WindowNetwork }] = await Promise.all([import('../gpu/device.ts'), import('./window-network.ts')]);
    const gpu = await Gpu.open(model.network.precision);
    try {
      return new Predictor(model, gpu, await WindowNetwork.create(gpu, model.network, model.weights));
    } catch (error) {
      gpu.close();
      throw error;
    }
  }

  private constructor(model: Model, gpu: Gpu, network: WindowNetwork) {
    this.description = model.description;
    this.reader = model.reader;
    this.#model = model;
    this.#gpu = gpu;
    this.#network = network;
  }

  /**
   * Labels of one case in its own grid, [z, y, x].
   * @param paths one file a channel, in channel order
   * @throws OptionError, CaseError naming the file, FileError, GpuError
   */
  async predict(paths: readonly string[], options: PredictOptions = {}): Promise<Int16Array> {
    const { disableTta, previousStage, onWindow, onNote } = checkOptions(PREDICT_OPTIONS, options);
    const { volumes, origin } = await this.#prepare(paths, previousStage, onNote);
    const { window, classes } = this.#network;
    const { mirrorAxes, regions } = this.#model;
    const axes = disableTta ? [] : mirrorAxes;
    const labels = new LabelVolume(volumes.shape, volumes.spacing, origin, regions === null ? largest : lastRegion(regions));
    const planes = slidingWindow(volumes, (patch) => this.#network.predict(patch, axes), {
      window,
      classes,
      ...(onWindow && { onWindow }),
    });
    for await (const plane of planes) labels.add(plane);
    const { shape, turn } = volumes.file;
    // The reader may have turned the image.
    return turnVolume(labels.labels(), transpose(shape, turn.from), back(turn));
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
    const { transpose: order, normalisation, resampling } = this.#model.configuration;
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
    resampleCase(paths[0], volumes, this.#model.configuration.spacing, resampling);
    for (const label of this.#cascadeLabels) volumes.channels.push(Float32Array.from(volumes.segmentation, (value) => +(value === label)));
    return { volumes, origin };
  }

  /** What the network gets a channel of each for, in a cascade. */
  get #cascadeLabels(): number[] {
    const { labels, channels } = this.description;
    return this.#model.network.channels > channels.length ? labels.values.slice(1) : [];
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
          ? `the network goes on from ${this.#model.configuration.previousStage ?? 'a previous stage'}, whose labels of the case are not given`
          : 'the network goes on from no previous stage',
        wanted ? 'Give the file with them' : 'Leave it out',
      );
    if (path === undefined) return new Int8Array(voxels(shape));
    const found = await readSegmentation({ id: images[0], images: [...images], label: path }, this.description.labels, reading);
    if (found.shape.join() === shape.join()) return found.data;
    throw new CaseError(path, `its shape is ${show(found.shape)}, that of the images ${show(shape)}`, 'Give the labels of the same images');
  }

  /** Gives the GPU back. */
  close(): void {
    this.#gpu.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
