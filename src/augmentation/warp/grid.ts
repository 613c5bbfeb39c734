import { ExactGrid } from './exact-grid.ts';
import type { Grid, Placement } from './placement.ts';
import { TorchGrid } from './torch-grid.ts';

export function gridOf(placement: Placement): Grid {
  return placement.nnunetCompat ? new TorchGrid(placement) : new ExactGrid(placement);
}
