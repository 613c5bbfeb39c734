import type { Transform } from '../transform.ts';
import { type AdditiveBrightnessStep, additiveBrightness } from './additive-brightness.ts';
import { type BinaryOperatorsStep, binaryOperators } from './binary-operators.ts';
import { type BlankRectanglesStep, blankRectangles } from './blank-rectangles.ts';
import { type BlurStep, blur } from './blur.ts';
import { type BrightnessStep, brightness } from './brightness.ts';
import { type BrightnessGradientStep, brightnessGradient } from './brightness-gradient.ts';
import { type ContrastStep, contrast } from './contrast.ts';
import { type CustomStep, custom } from './custom.ts';
import { type GammaStep, gamma } from './gamma.ts';
import { type LocalGammaStep, localGamma } from './local-gamma.ts';
import { type LowResolutionStep, lowResolution } from './low-resolution.ts';
import { type MaskStep, mask } from './mask.ts';
import { type MedianStep, median } from './median.ts';
import { type MirrorStep, mirror } from './mirror.ts';
import { type NoiseStep, noise } from './noise.ts';
import { type OneHotStep, oneHot } from './one-hot.ts';
import { type OneOfStep, oneOf } from './one-of.ts';
import { type PermuteAxesStep, permuteAxes } from './permute-axes.ts';
import { type RemoveComponentStep, removeComponent } from './remove-component.ts';
import { type ReplaceLabelStep, replaceLabel } from './replace-label.ts';
import { type RotateQuartersStep, rotateQuarters } from './rotate-quarters.ts';
import { type SharpenStep, sharpen } from './sharpen.ts';
import { type SpatialStep, spatial } from './spatial.ts';

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
  oneOf: oneOf((name) => (Object.hasOwn(TRANSFORMS, name) ? TRANSFORMS[name] : undefined)),
  oneHot,
  binaryOperators,
  removeComponent,
  custom,
};
