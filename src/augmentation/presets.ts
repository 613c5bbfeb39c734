import { OptionError } from '../common/errors.ts';
import type { Axis } from '../common/geometry.ts';
import { refuseUnknown, shown } from '../common/options.ts';
import type { PipelineStep } from './transforms/index.ts';
import type { SpatialStep } from './transforms/spatial/spatial.ts';

/**
 * Pipelines by name: those of nnU-Net's trainers (docs/nnunet.md#default-pipeline, docs/nnunet.md#trainer-variants).
 *
 * 'none': patches as they are stored. 'validation': nothing but what a network needs, also nnUNetTrainerNoDA's training.
 * 'default': nnUNetTrainer's. 'noMirroring', 'onlyMirror01', 'noDummy2d' (…_noDummy2DDA), 'order0' (…_DASegOrd0): its variants.
 * 'da5', 'da5Order0', 'da5SegOrder0': nnUNetTrainerDA5 and its variants.
 */
export const PRESETS = [
  'none',
  'validation',
  'default',
  'noMirroring',
  'onlyMirror01',
  'noDummy2d',
  'order0',
  'order0NoMirroring',
  'onlyMirror01Order0',
  'da5',
  'da5Order0',
  'da5SegOrder0',
] as const;

/** A pipeline by name, see `PRESETS`. */
export type PresetName = (typeof PRESETS)[number];

/** What a preset depends on besides its name. */
export interface PresetContext {
  /** [z, y, x] or [y, x]. */
  patchSize: readonly number[];
  /** Channels that were normalised within the nonzero region; they are 0 around it. Default none. */
  maskedChannels?: readonly number[];
  /** In a cascade: the foreground labels of the previous stage, ascending. */
  previousLabels?: readonly number[];
  /** Decide labels as nnU-Net does to the bit, see `SpatialStep`. Default false. */
  nnunetCompat?: boolean;
}

/** Patches longer than this many times their axis 0 are augmented slice by slice (nnU-Net's ANISO_THRESHOLD). */
const ANISOTROPIC = 3;
/** 2D patches longer than this are turned a little only. */
const ELONGATED = 1.5;
const DEGREE = Math.PI / 180;

/** What nnU-Net's trainer derives from the shape of a patch (docs/nnunet.md#initial-patch-size). Radians. */
export function trainerSpatial(patchSize: readonly number[]): { rotation: [number, number]; dummy2d: boolean; mirrorAxes: Axis[] } {
  const largest = Math.max(...patchSize);
  const turn = (degrees: number): [number, number] => [-degrees * DEGREE, degrees * DEGREE];
  if (patchSize.length === 2)
    return { rotation: turn(largest / Math.min(...patchSize) > ELONGATED ? 15 : 180), dummy2d: false, mirrorAxes: [1, 2] };
  const dummy2d = largest / patchSize[0] > ANISOTROPIC;
  return { rotation: turn(dummy2d ? 180 : 30), dummy2d, mirrorAxes: [0, 1, 2] };
}

/**
 * The steps of a preset: a list of plain objects, to be changed at will.
 * @throws OptionError if there is no such preset
 * @example
 * ```ts
 * const steps = presetSteps('default', { patchSize: [128, 128, 128] })
 *   .filter(({ transform }) => transform !== 'lowResolution')
 *   .map((step) => (step.transform === 'spatial' ? { ...step, elasticProbability: 0.1 } : step));
 * await using loader = await PatchLoader.create({ store, augmentation: steps });
 * ```
 */
export function presetSteps(name: PresetName, context: PresetContext): PipelineStep[] {
  if (!PRESETS.includes(name))
    throw new OptionError(
      'augmentation',
      `there is no preset ${JSON.stringify(name)}`,
      `Choose one of ${PRESETS.join(', ')}, or give a list of steps`,
    );
  refuseUnknown(context, ['patchSize', 'maskedChannels', 'previousLabels', 'nnunetCompat']);
  if (name === 'none') return [];
  const { maskedChannels = [], previousLabels = [] } = context;
  if (name === 'validation') return [{ transform: 'replaceLabel' }, ...oneHot(previousLabels)];
  if (!Array.isArray(context.patchSize) || ![2, 3].includes(context.patchSize.length))
    throw new OptionError(
      'patchSize',
      `${shown(context.patchSize)} is not a patch size`,
      'Give [z, y, x] or [y, x]: the steps depend on it',
    );
  const da5 = name.startsWith('da5');
  const sure = da5 || name.toLowerCase().includes('order0') ? 1 : 0.5;
  return [
    spatialStep(name, context),
    ...(da5 ? da5Intensity(name, context) : defaultIntensity(name, context)),
    ...mirroring(name, context),
    ...(da5 ? da5Local() : []),
    ...(maskedChannels.length > 0 ? [{ transform: 'mask' as const, channels: maskedChannels }] : []),
    { transform: 'replaceLabel' },
    ...oneHot(previousLabels),
    ...cascade(previousLabels, sure),
  ];
}

function spatialStep(name: PresetName, { patchSize, nnunetCompat = false }: PresetContext): SpatialStep {
  const trainer = trainerSpatial(patchSize);
  const flat = name === 'noDummy2d' ? { dummy2d: false, rotation: [-30 * DEGREE, 30 * DEGREE] as const } : trainer;
  const step: SpatialStep = {
    transform: 'spatial',
    rotation: patchSize.length === 3 ? flat.rotation : trainer.rotation,
    dummy2d: flat.dummy2d,
    ...(nnunetCompat ? { nnunetCompat } : {}),
  };
  const labels = name.toLowerCase().includes('order0') ? { labels: 'nearest' as const } : {};
  if (!name.startsWith('da5')) return { ...step, ...labels };
  return {
    ...step,
    rotationProbability: 0.4,
    axisProbability: 0.5,
    scaling: [0.7, 1.43],
    scalingPerAxis: true,
    cropScale: 0.7,
    ...labels,
    ...(name === 'da5Order0' ? { image: 'nearest' as const } : {}),
  };
}

function defaultIntensity(name: PresetName, context: PresetContext): PipelineStep[] {
  return [
    { transform: 'noise', probability: 0.1 },
    { transform: 'blur', probability: 0.2 },
    { transform: 'brightness', probability: 0.15 },
    { transform: 'contrast', probability: 0.15 },
    { transform: 'lowResolution', probability: 0.25, ...keptSlices(name, context) },
    { transform: 'gamma', probability: 0.1, invert: true },
    { transform: 'gamma', probability: 0.3 },
  ];
}

/** DA5 up to its mirroring: reorientation where axes are equally long, then intensities, two of them in alternatives. */
function da5Intensity(name: PresetName, context: PresetContext): PipelineStep[] {
  const factor = [0.5, 2] as const;
  return [
    { transform: 'rotateQuarters', probability: 0.5 },
    { transform: 'permuteAxes', probability: 0.5 },
    {
      transform: 'oneOf',
      of: oneOf([
        { transform: 'median', probability: 0.2 },
        { transform: 'blur', probability: 0.2, sigma: [0.3, 1.5], perAxis: false },
      ]),
    },
    { transform: 'noise', probability: 0.1 },
    { transform: 'additiveBrightness', probability: 0.1 },
    {
      transform: 'oneOf',
      of: oneOf([
        { transform: 'contrast', probability: 0.2, factor, channelProbability: 0.5 },
        { transform: 'contrast', probability: 0.2, factor, channelProbability: 0.5, preserveRange: false },
      ]),
    },
    { transform: 'lowResolution', probability: 0.15, scale: [0.25, 1], ...keptSlices(name, context) },
    // Twice the same, as nnU-Net has it; the second was probably meant not to be inverted.
    { transform: 'gamma', probability: 0.1, invert: true },
    { transform: 'gamma', probability: 0.1, invert: true },
  ];
}

/** Lets the compiler check the steps to choose from. */
const oneOf = (steps: PipelineStep[]): PipelineStep[] => steps;

/** DA5 after its mirroring. */
function da5Local(): PipelineStep[] {
  return [
    { transform: 'blankRectangles', probability: 0.4 },
    { transform: 'brightnessGradient', probability: 0.3 },
    { transform: 'localGamma', probability: 0.3 },
    { transform: 'sharpen', probability: 0.2 },
  ];
}

/** Slices that are transformed on their own keep their number in low resolution. */
function keptSlices(name: PresetName, { patchSize }: PresetContext): { ignoreAxes?: Axis[] } {
  return name !== 'noDummy2d' && trainerSpatial(patchSize).dummy2d ? { ignoreAxes: [0] } : {};
}

function mirroring(name: PresetName, { patchSize }: PresetContext): PipelineStep[] {
  if (name.endsWith('oMirroring')) return [];
  const { mirrorAxes } = trainerSpatial(patchSize);
  return [{ transform: 'mirror', axes: name.startsWith('onlyMirror01') ? mirrorAxes.slice(0, patchSize.length - 1) : mirrorAxes }];
}

function oneHot(labels: readonly number[]): PipelineStep[] {
  return labels.length > 0 ? [{ transform: 'oneHot', labels }] : [];
}

/** What keeps a cascade's second stage from trusting the first one blindly. */
function cascade({ length: channels }: readonly number[], channelProbability: number): PipelineStep[] {
  if (channels === 0) return [];
  return [
    { transform: 'binaryOperators', probability: 0.4, channels, channelProbability },
    { transform: 'removeComponent', probability: 0.2, channels, channelProbability },
  ];
}
