/**
 * Prints what `estimateMemory` says for one configuration of a plans file, as JSON, for `bench/interop/memory.py` to compare.
 *
 *     node bench/memory-estimate.ts PLANS CONFIGURATION BATCH INPUT_CHANNELS OUTPUT_CHANNELS
 */

import { estimateMemory } from '../src/planning/memory.ts';
import type { Network } from '../src/plans/network.ts';
import { readPlans, resolveConfiguration } from '../src/plans/plans-file.ts';

const [path, name, batch, inputChannels, outputChannels] = process.argv.slice(2);
const { network, patchSize } = resolveConfiguration(path, await readPlans(path), name);
const estimate = estimateMemory({
  network: network as Network,
  patch: patchSize,
  batch: Number(batch),
  inputChannels: Number(inputChannels),
  outputChannels: Number(outputChannels),
});
console.log(
  JSON.stringify({
    path,
    name,
    batch: Number(batch),
    inputChannels: Number(inputChannels),
    outputChannels: Number(outputChannels),
    patchSize,
    ...estimate,
  }),
);
