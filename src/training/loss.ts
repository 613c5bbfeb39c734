import { voxels } from '../common/geometry.ts';
import { elementwise, type Kernel, kernel, read, write } from './gpu/kernel.ts';
import { type Maps, type Memory, memory, place } from './gpu/memory.ts';
import { probabilitiesText, type Target, targetText } from './target.ts';

/** Dice is (2 TP + this) / (2 TP + FP + FN + this), nnU-Net's `smooth`. */
const SMOOTH = '1e-5';

/** Soft Dice plus cross-entropy at one scale of deep supervision. */
export interface Loss extends Target {
  name: string;
  /** One channel an output. */
  logits: Maps;
  /** One Dice over all samples of the batch, not one a sample. */
  batchDice: boolean;
  /** Its part in the loss. */
  weight: number;
}

/** Where losses and norms go: two numbers a step. `control` holds the step's learning rate and its place in `history`. */
export interface StepRecord {
  control: Memory;
  history: Memory;
}

/**
 * Kernels of the loss and, where `gradient` is given, of its gradient by the logits. For labels as nnU-Net's `DC_and_CE_loss`: Dice over
 * softmax without background, cross-entropy averaged over the voxels that count, each of weight 1. For regions as its
 * `DC_and_BCE_loss`: Dice over sigmoid, binary cross-entropy averaged over voxels and regions; where there is an ignore label, that is
 * summed over regions.
 * @param begins whether this scale is the first that adds to the step's loss
 */
export function lossKernels(loss: Loss, { control, history }: StepRecord, begins: boolean, gradient: Maps | null): Kernel[] {
  const { name, logits, labels, ignore, regions, batchDice, weight } = loss;
  const { batch, channels } = logits;
  // The first output that Dice is taken of.
  const first = regions === undefined ? 1 : 0;
  const area = voxels(logits.shape);
  // Of each sample: intersection, prediction and truth of each output, then the cross-entropy and the voxels that count.
  const sums = 3 * channels + 2;
  const threads = sums <= 64 ? 64 : 16;
  const chunk = threads * 32;
  const chunks = Math.ceil(area / chunk);
  const partial = memory(`${name} partial sums`, batch * chunks * sums);
  const totals = memory(`${name} sums`, batch * sums);
  // Two numbers an output and sample, from which the gradient of Dice follows, then 1 / voxels that count.
  const factors = memory(`${name} factors`, 2 * batch * channels + 1);
  const terms = (channels - first) * (batchDice ? 1 : batch);
  const entropy =
    regions === undefined
      ? 'if (truth) { shared_[entropy] -= log(max(p[c], 1e-37)); }'
      : `let z = f32(logits[${place(logits, 'sample', 'c', 'voxel')}]);
      shared_[entropy] += max(z, 0.0) - select(0.0, z, truth) + log(1.0 + exp(-abs(z)));`;
  const entropies = regions === undefined || ignore !== null ? 1 : channels;
  const declarations = `${targetText(loss, area)}${probabilitiesText(logits, loss)}`;
  const kernels = [
    kernel({
      name: `${name} partial sums`,
      bindings: [read('logits', logits.memory), read('labels', labels), write('partial', partial)],
      threads,
      groups: batch * chunks,
      declarations: `${declarations}
var<workgroup> shared_: array<f32, ${threads * sums}>;`,
      workgroupBytes: 4 * threads * sums,
      body: `
  let sample = GROUP / ${chunks}u;
  let first = GROUP % ${chunks}u * ${chunk}u;
  let end = min(first + ${chunk}u, ${area}u);
  let base = THREAD * ${sums}u;
  let entropy = base + ${3 * channels}u;
  for (var i = 0u; i < ${sums}u; i++) { shared_[base + i] = 0.0; }
  for (var voxel = first + THREAD; voxel < end; voxel += ${threads}u) {
    let answer = label(sample, voxel);
    if (!counts(answer)) { continue; }
    let p = probabilities(sample, voxel);
    for (var c = 0u; c < ${channels}u; c++) {
      let truth = holds(answer, c);
      shared_[base + ${channels}u + c] += p[c];
      if (truth) {
        shared_[base + c] += p[c];
        shared_[base + ${2 * channels}u + c] += 1.0;
      }
      ${entropy}
    }
    shared_[base + ${3 * channels + 1}u] += 1.0;
  }
  workgroupBarrier();
  for (var i = THREAD; i < ${sums}u; i += ${threads}u) {
    var total = 0.0;
    for (var t = 0u; t < ${threads}u; t++) { total += shared_[t * ${sums}u + i]; }
    partial[GROUP * ${sums}u + i] = total;
  }`,
    }),
    elementwise(
      `${name} join sums`,
      batch * sums,
      [read('partial', partial), write('totals', totals)],
      `
  let sample = INDEX / ${sums}u; let i = INDEX % ${sums}u;
  var total = 0.0;
  for (var chunk = 0u; chunk < ${chunks}u; chunk++) { total += partial[(sample * ${chunks}u + chunk) * ${sums}u + i]; }
  totals[INDEX] = total;`,
    ),
    // A handful of numbers: one thread.
    kernel({
      name: `${name} value`,
      bindings: [read('totals', totals), write('factors', factors), read('control', control), write('history', history)],
      threads: 1,
      groups: 1,
      body: `
  var entropy = 0.0; var counted = 0.0;
  for (var n = 0u; n < ${batch}u; n++) {
    entropy += totals[n * ${sums}u + ${3 * channels}u];
    counted += totals[n * ${sums}u + ${3 * channels + 1}u];
  }
  let each = select(0.0, 1.0 / (counted * ${entropies}.0), counted > 0.0);
  factors[${2 * batch * channels}u] = each;
  var dice = 0.0;
  for (var c = ${first}u; c < ${channels}u; c++) {
    var joint = vec3f(0.0);
    for (var n = 0u; n < ${batch}u; n++) {
      let at = n * ${sums}u + c;
      let own = vec3f(totals[at], totals[at + ${channels}u], totals[at + ${2 * channels}u]);
      joint = ${batchDice ? 'joint + own' : 'own'};
      if (${batchDice ? `n < ${batch - 1}u` : 'false'}) { continue; }
      let below = max(joint.y + joint.z + ${SMOOTH}, 1e-8);
      let above = 2.0 * joint.x + ${SMOOTH};
      dice += above / below;
      for (var m = ${batchDice ? '0u' : 'n'}; m <= n; m++) {
        let factor = 2u * (m * ${channels}u + c);
        factors[factor] = -2.0 / (below * ${terms}.0);
        factors[factor + 1u] = above / (below * below * ${terms}.0);
      }
    }
  }
  for (var n = 0u; n < ${first * batch}u; n++) { factors[2u * n * ${channels}u] = 0.0; factors[2u * n * ${channels}u + 1u] = 0.0; }
  let value = ${weight} * (entropy * each - dice / ${Math.max(terms, 1)}.0);
  let slot = 2u * u32(control[1]);
  history[slot] = ${begins ? 'value' : 'history[slot] + value'};`,
    }),
  ];
  if (gradient === null) return kernels;
  kernels.push(
    elementwise(
      `${name} gradient`,
      batch * area,
      [read('logits', logits.memory), read('labels', labels), read('factors', factors), write('gradient', gradient.memory)],
      `
  let sample = INDEX / ${area}u; let voxel = INDEX % ${area}u;
  let answer = label(sample, voxel);
  if (!counts(answer)) {
    for (var c = 0u; c < ${channels}u; c++) { gradient[${place(gradient, 'sample', 'c', 'voxel')}] = 0.0; }
    return;
  }
  let p = probabilities(sample, voxel);
  let each = factors[${2 * batch * channels}u];
  var dice: array<f32, ${channels}>;
  var mean = 0.0;
  for (var c = 0u; c < ${channels}u; c++) {
    let at = 2u * (sample * ${channels}u + c);
    dice[c] = select(0.0, factors[at], holds(answer, c)) + factors[at + 1u];
    mean += p[c] * dice[c];
  }
  for (var c = 0u; c < ${channels}u; c++) {
    let entropy = (p[c] - select(0.0, 1.0, holds(answer, c))) * each;
    gradient[${place(gradient, 'sample', 'c', 'voxel')}] = ${weight} * (p[c] * ${regions === undefined ? '(dice[c] - mean)' : '(1.0 - p[c]) * dice[c]'} + entropy);
  }`,
      declarations,
    ),
  );
  return kernels;
}

/** Adds to `counts`, for each output: voxels right, wrongly found, missed (what pseudo-Dice is made from). Whole numbers: exact. */
export function countKernel(loss: Loss, counts: Memory): Kernel {
  const { logits, labels, regions } = loss;
  const { batch, channels } = logits;
  const area = voxels(logits.shape);
  const logit = `f32(logits[${place(logits, 'sample', 'c', 'voxel')}])`;
  const found =
    regions === undefined
      ? `var best = 0u; var most = -3.4e38;
  for (var c = 0u; c < ${channels}u; c++) {
    let value = ${logit};
    if (value > most) { most = value; best = c; }
  }`
      : '';
  const counted = elementwise(
    'validation counts',
    batch * area,
    [read('logits', logits.memory), read('labels', labels), write('totals', counts)],
    `
  let sample = INDEX / ${area}u; let voxel = INDEX % ${area}u;
  let answer = label(sample, voxel);
  if (!counts(answer)) { return; }
  ${found}
  for (var c = 0u; c < ${channels}u; c++) {
    let found = ${regions === undefined ? 'c == best' : `${logit} > 0.0`};
    let truth = holds(answer, c);
    if (found || truth) { atomicAdd(&totals[3u * c + select(select(2u, 1u, found), 0u, found && truth)], 1u); }
  }`,
    targetText(loss, area),
  );
  return { ...counted, code: counted.code.replace('totals: array<u32>', 'totals: array<atomic<u32>>') };
}
