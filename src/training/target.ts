import { type Maps, type Memory, place } from './gpu/memory.ts';

/** What outputs are to say of each voxel. */
export interface Target {
  /** int16, two in a word. Negative ones and the ignore label count for nothing. */
  labels: Memory;
  ignore: number | null;
  /**
   * The labels of each region, one output a region: outputs then are independent of one another (sigmoid). Absent: one output a label,
   * background first, which share a voxel (softmax).
   */
  regions?: readonly (readonly number[])[];
}

/**
 * WGSL that reads targets: `label(sample, voxel)`, `counts(label)`, and `holds(label, c)`: whether output c should say yes. Made from
 * labels, masks of regions need no room: coarser labels are picked, not mixed, so that their masks are the coarser masks.
 */
export function targetText({ ignore, regions }: Target, area: number): string {
  const holds =
    regions === undefined
      ? 'return i32(c) == label;'
      : `switch c {
${regions.map((labels, c) => `    case ${c}u: { return ${labels.map((label) => `label == ${label}`).join(' || ')}; }`).join('\n')}
    default: { return false; }
  }`;
  return `
fn label(sample: u32, voxel: u32) -> i32 {
  let i = sample * ${area}u + voxel;
  return extractBits(i32(labels[i / 2u]), 16u * (i % 2u), 16u);
}
fn counts(label: i32) -> bool { return label >= 0${ignore === null ? '' : ` && label != ${ignore}`}; }
fn holds(label: i32, c: u32) -> bool {
  ${holds}
}`;
}

/** WGSL of `probabilities(sample, voxel)`, one an output. */
export function probabilitiesText(logits: Maps, { regions }: Target): string {
  const { channels } = logits;
  const logit = `f32(logits[${place(logits, 'sample', 'c', 'voxel')}])`;
  const body =
    regions === undefined
      ? `var most = -3.4e38;
  for (var c = 0u; c < ${channels}u; c++) { p[c] = ${logit}; most = max(most, p[c]); }
  var sum = 0.0;
  for (var c = 0u; c < ${channels}u; c++) { p[c] = exp(p[c] - most); sum += p[c]; }
  for (var c = 0u; c < ${channels}u; c++) { p[c] /= sum; }`
      : `for (var c = 0u; c < ${channels}u; c++) {
    let z = ${logit};
    // Without infinities, whichever sign it has.
    let e = exp(-abs(z));
    p[c] = select(e, 1.0, z >= 0.0) / (1.0 + e);
  }`;
  return `
fn probabilities(sample: u32, voxel: u32) -> array<f32, ${channels}> {
  var p: array<f32, ${channels}>;
  ${body}
  return p;
}`;
}
