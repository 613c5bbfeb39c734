import type { Transform } from '../transform.ts';
import { type CustomStep, custom } from './custom.ts';
import { type AdditiveBrightnessStep, additiveBrightness } from './intensity/additive-brightness.ts';
import { type BlankRectanglesStep, blankRectangles } from './intensity/blank-rectangles.ts';
import { type BlurStep, blur } from './intensity/blur.ts';
import { type BrightnessStep, brightness } from './intensity/brightness.ts';
import { type BrightnessGradientStep, brightnessGradient } from './intensity/brightness-gradient.ts';
import { type ContrastStep, contrast } from './intensity/contrast.ts';
import { type GammaStep, gamma } from './intensity/gamma.ts';
import { type LocalGammaStep, localGamma } from './intensity/local-gamma.ts';
import { type LowResolutionStep, lowResolution } from './intensity/low-resolution.ts';
import { type MaskStep, mask } from './intensity/mask.ts';
import { type MedianStep, median } from './intensity/median/median.ts';
import { type NoiseStep, noise } from './intensity/noise.ts';
import { type SharpenStep, sharpen } from './intensity/sharpen.ts';
import { type BinaryOperatorsStep, binaryOperators } from './labels/binary-operators.ts';
import { type OneHotStep, oneHot } from './labels/one-hot.ts';
import { type RemoveComponentStep, removeComponent } from './labels/remove-component.ts';
import { type ReplaceLabelStep, replaceLabel } from './labels/replace-label.ts';
import { type OneOfStep, oneOf } from './one-of.ts';
import { type MirrorStep, mirror } from './spatial/mirror.ts';
import { type PermuteAxesStep, permuteAxes } from './spatial/permute-axes.ts';
import { type RotateQuartersStep, rotateQuarters } from './spatial/rotate-quarters.ts';
import { type SpatialStep, spatial } from './spatial/spatial.ts';

/** The steps there are; `transform` tells them apart. */
export type PipelineStep =
  | AdditiveBrightnessStep
  | BinaryOperatorsStep
  | BlankRectanglesStep
  | BlurStep
  | BrightnessGradientStep
  | BrightnessStep
  | ContrastStep
  | CustomStep
  | GammaStep
  | LocalGammaStep
  | LowResolutionStep
  | MaskStep
  | MedianStep
  | MirrorStep
  | NoiseStep
  | OneHotStep
  | OneOfStep
  | PermuteAxesStep
  | RemoveComponentStep
  | ReplaceLabelStep
  | RotateQuartersStep
  | SharpenStep
  | SpatialStep;

/** Every transform by the name that steps give. */
// biome-ignore lint/suspicious/noExplicitAny: each transform goes with its own steps and parameters, which its name tells apart
export const TRANSFORMS: Readonly<Record<string, Transform<any, any>>> = {
  spatial,
  mirror,
  noise,
  blur,
  brightness,
  contrast,
  lowResolution,
  gamma,
  mask,
  replaceLabel,
  rotateQuarters,
  permuteAxes,
  median,
  additiveBrightness,
  blankRectangles,
  brightnessGradient,
  localGamma,
  sharpen,
  oneOf: oneOf((name) => TRANSFORMS[name]),
  oneHot,
  binaryOperators,
  removeComponent,
  custom,
};
