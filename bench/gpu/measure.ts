/**
 * One stage of `run.py`, in a process of its own:
 *
 *     node bench/gpu/measure.ts STAGE RESULT_JSON [--tiny] [--seconds N]
 *
 * What is found is written to RESULT_JSON whenever there is something new: a stage that is cut off keeps what it had.
 */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { environment } from '../../src/measuring/environment.ts';
import { adapterReport } from '../../src/training/gpu/adapter-report.ts';
import { Gpu } from '../../src/training/gpu/device.ts';
import { PRECISIONS } from '../../src/training/gpu/precision.ts';
import { measureStep } from '../training-step-time.ts';
import { trainHippocampus } from './hippocampus.ts';
import { matrixKernelErrors, sameBits } from './matrix-kernels.ts';
import { stepShapes } from './shapes.ts';

const { values, positionals } = parseArgs({
  options: { tiny: { type: 'boolean', default: false }, seconds: { type: 'string', default: '180' } },
  allowPositionals: true,
});
const [stage, path] = positionals;
const { tiny } = values;
const keep = (result: unknown): void => writeFileSync(path, JSON.stringify(result));

const STAGES: Record<string, () => Promise<void>> = {
  async adapter() {
    keep({ ...environment(), ...(await adapterReport()) });
  },

  async shapes() {
    keep(stepShapes(tiny));
  },

  async kernels() {
    const gpu = await Gpu.open();
    const found =
      gpu.units === null
        ? { not_run: `${gpu.name} has no matrix units` }
        : { units: gpu.units, errors: await matrixKernelErrors(gpu, tiny) };
    keep(found);
    keep({ ...found, tiles: await sameBits(gpu, tiny) });
    gpu.close();
  },

  async steps() {
    const found: Record<string, Record<string, unknown>> = {};
    for (const [i, [name, shape]] of Object.entries(stepShapes(tiny)).entries())
      for (const precision of PRECISIONS.toReversed()) {
        // As training opens it.
        const gpu = await Gpu.open(precision, { timed: true });
        try {
          const steps = tiny ? 2 : 10;
          const untuned = i === 0 ? await measureStep(gpu, shape, precision, { steps }) : null;
          const tuned = await measureStep(gpu, shape, precision, { steps, profiled: true, tuneSeconds: tiny ? 3 : 10 });
          found[name] = { ...found[name], [precision]: { ...tuned, ...(untuned && { untuned_ms: untuned.ms }) } };
        } catch (error) {
          found[name] = { ...found[name], [precision]: { error: (error as Error).message } };
        }
        keep(found);
        gpu.close();
      }
  },

  hippocampus: () => trainHippocampus({ tiny, seconds: Number(values.seconds) }, keep),
};

await STAGES[stage]();
// The binding keeps the process alive.
process.exit(0);
