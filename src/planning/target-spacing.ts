import { AXES, type Triple, triple } from '../common/geometry.ts';
import { roundHalfEven } from '../common/round.ts';
import { median, quantile } from './statistics.ts';

/** A data set is anisotropic if its coarsest spacing exceeds the others by more than this factor (`ANISO_THRESHOLD`). */
export const ANISOTROPIC = 3;
/** An anisotropic axis is resampled to this percentile of its spacings instead of their median. */
const FINE_PERCENTILE = 10;

/** The spacing and shape of every case, in the readers' axis order. */
export interface Geometries {
  spacings: readonly Triple[];
  shapes: readonly Triple[];
}

/**
 * The spacing that all cases are resampled to at full resolution: the median, but finer along an axis that is much coarser
 * than the others and has few slices (docs/nnunet.md#target-spacing). Millimetres, readers' axis order.
 */
export function targetSpacing({ spacings, shapes }: Geometries): Triple {
  const target = triple((axis) => median(spacings.map((spacing) => spacing[axis])));
  const sizes = triple((axis) => median(shapes.map((shape) => shape[axis])));
  const worst = coarsestAxis(target);
  const others = AXES.filter((axis) => axis !== worst);
  const coarsestOther = Math.max(...others.map((axis) => target[axis]));
  const fewSlices = sizes[worst] * ANISOTROPIC < Math.min(...others.map((axis) => sizes[axis]));
  if (target[worst] > ANISOTROPIC * coarsestOther && fewSlices) {
    const fine = quantile(
      spacings.map((spacing) => spacing[worst]),
      FINE_PERCENTILE,
    );
    // nnU-Net never goes below the other axes; the small constant is its own.
    target[worst] = fine < coarsestOther ? coarsestOther + 1e-5 : fine;
  }
  return target;
}

/** The shape that resampling to another spacing gives. Axes of all three in the same order. */
export function resampledShape(shape: Triple, spacing: Triple, target: Triple): Triple {
  return triple((axis) => roundHalfEven((spacing[axis] / target[axis]) * shape[axis]));
}

/** How axes are reordered so that the coarsest comes first; `backward` undoes it. */
export function transposition(target: Triple): { forward: Triple; backward: Triple } {
  const first = coarsestAxis(target);
  const forward = [first, ...AXES.filter((axis) => axis !== first)] as Triple;
  return { forward, backward: triple((axis) => forward.indexOf(axis)) };
}

function coarsestAxis(spacing: Triple): number {
  return spacing.indexOf(Math.max(...spacing));
}
