import { voxels } from '../common/geometry.ts';
import { elementwise, type Kernel, kernel, read, write } from './gpu/kernel.ts';
import { type Maps, type Memory, memory, place } from './gpu/memory.ts';

/** Dice is (2 TP + this) / (2 TP + FP + FN + this), nnU-Net's `smooth`. */
const SMOOTH = '1e-5';

/** Soft Dice plus cross-entropy at one scale of deep supervision. */
export interface Loss {
  name: string;
  /** One channel a class, background first. */
  logits: Maps;
  /** int16 labels, two in a word. Negative ones and the ignore label count for nothing. */
  labels: Memory;
  ignore: number | null;
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

const labelAt = (area: number, ignore: number | null): string => `
fn label(sample: u32, voxel: u32) -> i32 {
  let i = sample * ${area}u + voxel;
  return extractBits(i32(labels[i / 2u]), 16u * (i % 2u), 16u);
}
fn counts(label: i32) -> bool { return label >= 0${ignore === null ? '' : ` && label != ${ignore}`}; }`;

const softmax = (logits: Maps): string => `
fn softmax(sample: u32, voxel: u32) -> array<f32, ${logits.channels}> {
  var p: array<f32, ${logits.channels}>;
  var most = -3.4e38;
  for (var c = 0u; c < ${logits.channels}u; c++) { p[c] = f32(logits[${place(logits, 'sample', 'c', 'voxel')}]); most = max(most, p[c]); }
  var sum = 0.0;
  for (var c = 0u; c < ${logits.channels}u; c++) { p[c] = exp(p[c] - most); sum += p[c]; }
  for (var c = 0u; c < ${logits.channels}u; c++) { p[c] /= sum; }
  return p;
}`;

/**
 * Kernels of the loss and, where `gradient` is given, of its gradient by the logits. As nnU-Net's `DC_and_CE_loss`: Dice over
 * softmax without background, cross-entropy averaged over the voxels that count, each of weight 1.
 * @param first whether this scale is the first that adds to the step's loss
 */
export function lossKernels(loss: Loss, { control, history }: StepRecord, first: boolean, gradient: Maps | null): Kernel[] {
  const { name, logits, labels, ignore, batchDice, weight } = loss;
  const { batch, channels } = logits;
  const area = voxels(logits.shape);
  // Of each sample: intersection, prediction and truth of each class, then the cross-entropy and the voxels that count.
  const sums = 3 * channels + 2;
  const threads = sums <= 64 ? 64 : 16;
  const chunk = threads * 32;
  const chunks = Math.ceil(area / chunk);
  const partial = memory(`${name} partial sums`, batch * chunks * sums);
  const totals = memory(`${name} sums`, batch * sums);
  // Two numbers a class and sample, from which the gradient of Dice follows, then 1 / voxels that count.
  const factors = memory(`${name} factors`, 2 * batch * channels + 1);
  const classes = channels - 1;
  const groups = batchDice ? 1 : batch;
  const kernels = [
    kernel({
      name: `${name} partial sums`,
      bindings: [read('logits', logits.memory), read('labels', labels), write('partial', partial)],
      threads,
      groups: batch * chunks,
      declarations: `${labelAt(area, ignore)}${softmax(logits)}
var<workgroup> shared_: array<f32, ${threads * sums}>;`,
      workgroupBytes: 4 * threads * sums,
      body: `
  let sample = GROUP / ${chunks}u;
  let first = GROUP % ${chunks}u * ${chunk}u;
  let end = min(first + ${chunk}u, ${area}u);
  let base = THREAD * ${sums}u;
  for (var i = 0u; i < ${sums}u; i++) { shared_[base + i] = 0.0; }
  for (var voxel = first + THREAD; voxel < end; voxel += ${threads}u) {
    let truth = label(sample, voxel);
    if (!counts(truth)) { continue; }
    let p = softmax(sample, voxel);
    for (var c = 0u; c < ${channels}u; c++) {
      shared_[base + ${channels}u + c] += p[c];
      if (i32(c) == truth) {
        shared_[base + c] += p[c];
        shared_[base + ${2 * channels}u + c] += 1.0;
        shared_[base + ${3 * channels}u] -= log(max(p[c], 1e-37));
      }
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
  let each = select(0.0, 1.0 / counted, counted > 0.0);
  factors[${2 * batch * channels}u] = each;
  var dice = 0.0;
  for (var c = 1u; c < ${channels}u; c++) {
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
        factors[factor] = -2.0 / (below * ${classes * groups}.0);
        factors[factor + 1u] = above / (below * below * ${classes * groups}.0);
      }
    }
  }
  for (var n = 0u; n < ${batch}u; n++) { factors[2u * n * ${channels}u] = 0.0; factors[2u * n * ${channels}u + 1u] = 0.0; }
  let value = ${weight} * (entropy * each - dice / ${Math.max(classes * groups, 1)}.0);
  let slot = 2u * u32(control[1]);
  history[slot] = ${first ? 'value' : 'history[slot] + value'};`,
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
  let truth = label(sample, voxel);
  if (!counts(truth)) {
    for (var c = 0u; c < ${channels}u; c++) { gradient[${place(gradient, 'sample', 'c', 'voxel')}] = 0.0; }
    return;
  }
  let p = softmax(sample, voxel);
  let each = factors[${2 * batch * channels}u];
  var dice: array<f32, ${channels}>;
  var mean = 0.0;
  for (var c = 0u; c < ${channels}u; c++) {
    let at = 2u * (sample * ${channels}u + c);
    dice[c] = select(0.0, factors[at], i32(c) == truth) + factors[at + 1u];
    mean += p[c] * dice[c];
  }
  for (var c = 0u; c < ${channels}u; c++) {
    let entropy = (p[c] - select(0.0, 1.0, i32(c) == truth)) * each;
    gradient[${place(gradient, 'sample', 'c', 'voxel')}] = ${weight} * (p[c] * (dice[c] - mean) + entropy);
  }`,
      `${labelAt(area, ignore)}${softmax(logits)}`,
    ),
  );
  return kernels;
}

/** Adds to `counts`, for each class: voxels right, wrongly found, missed (what pseudo-Dice is made from). Whole numbers: exact. */
export function countKernel({ logits, labels, ignore }: Loss, counts: Memory): Kernel {
  const { batch, channels } = logits;
  const area = voxels(logits.shape);
  const counted = elementwise(
    'validation counts',
    batch * area,
    [read('logits', logits.memory), read('labels', labels), write('totals', counts)],
    `
  let sample = INDEX / ${area}u; let voxel = INDEX % ${area}u;
  let truth = label(sample, voxel);
  if (!counts(truth)) { return; }
  var best = 0u; var most = -3.4e38;
  for (var c = 0u; c < ${channels}u; c++) {
    let value = f32(logits[${place(logits, 'sample', 'c', 'voxel')}]);
    if (value > most) { most = value; best = c; }
  }
  if (best == u32(truth)) { atomicAdd(&totals[3u * best], 1u); return; }
  atomicAdd(&totals[3u * best + 1u], 1u);
  if (u32(truth) < ${channels}u) { atomicAdd(&totals[3u * u32(truth) + 2u], 1u); }`,
    labelAt(area, ignore),
  );
  return { ...counted, code: counted.code.replace('totals: array<u32>', 'totals: array<atomic<u32>>') };
}
