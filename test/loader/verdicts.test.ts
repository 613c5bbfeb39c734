import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { showDiagnosis } from '../../src/cli/doctor.ts';
import type { Bound, Measurements } from '../../src/loader/diagnosis.ts';
import { diagnose } from '../../src/loader/verdicts.ts';

const MIB = 1024 ** 2;
const GIB = 1024 ** 3;

/** Two workers that have enough to do, on eight cores, and make half of what the consumer takes. */
const BASE: Measurements = {
  seconds: 5,
  batches: 50,
  samples: 100,
  waitFraction: 0.5,
  copying: 0,
  consumerMs: 50,
  workers: 2,
  busy: 0.95,
  stages: { read: 0.1, decode: 0, warpImage: 0.35, warpLabels: 0.15, transforms: 0.3, mirror: 0, deepSupervision: 0.05, other: 0.05 },
  transforms: { spatial: 0.5, gamma: 0.2, noise: 0.1 },
  blocked: 0.02,
  queued: null,
  mainThread: { busy: 0.1, scheduling: 0.02 },
  cores: { granted: 8, free: 5 },
  ring: { batches: 6, wanted: 6, given: false, held: 0.2, free: 0, bytesPerBatch: 20 * MIB },
  resident: { places: 4, loaded: 4, placesBytes: 400 * MIB, cases: 4, missingBytes: 0, limitedBy: null },
  memory: { takenBytes: 600 * MIB, limitBytes: 8 * GIB, limitedBy: 'machine', bytesPerWorker: 30 * MIB },
  format: 'npy',
};

type Change = { [K in keyof Measurements]?: Measurements[K] extends object ? Partial<Measurements[K]> : Measurements[K] };

function measured(change: Change): Measurements {
  const merged = Object.entries(BASE).map(([name, value]) => {
    const other = change[name as keyof Measurements];
    const whole = name === 'transforms' || typeof value !== 'object' || value === null;
    return [name, other === undefined ? value : whole ? other : { ...(value as object), ...(other as object) }];
  });
  return Object.fromEntries(merged) as Measurements;
}

const NO_CORES = { cores: { granted: 2, free: 0.1 } };
const STAGES = { read: 0, decode: 0, warpImage: 0, warpLabels: 0, transforms: 0, mirror: 0, deepSupervision: 0, other: 0 };
const SOME_MISSING = { places: 1, loaded: 1, placesBytes: 100 * MIB, missingBytes: 300 * MIB };

const CASES: [Bound, string, Change, RegExp, (RegExp | string)[]][] = [
  ['nobody', 'asks', { batches: 0, samples: 0, waitFraction: 0, consumerMs: 0, busy: 0 }, /^Nobody asked for a batch in 5\.0 s/, []],
  [
    'unknown',
    'where no sample was finished meanwhile',
    { batches: 0, samples: 0, consumerMs: 0, busy: 0, blocked: 0, stages: STAGES, transforms: {} },
    /^No worker finished a sample in 5\.0 s.*waits 50 % of its time/,
    ['`seconds`: 50, to measure longer'],
  ],
  ['consumer', 'that never waits', { waitFraction: 0.01, busy: 0.9 }, /takes 50 ms a batch and waits 1 % of its time/, []],
  [
    'consumer',
    'whose step is longer than the measurement',
    { batches: 0, samples: 0, waitFraction: 0, consumerMs: 100_000, busy: 0.9 },
    /takes 100000 ms a batch and waits 0 %/,
    [],
  ],
  [
    'consumer',
    'whose first step began while it was measured',
    { batches: 1, samples: 2, waitFraction: 0.3, consumerMs: 100_000 },
    /takes 100000 ms/,
    [],
  ],
  ['consumer', 'that needs fewer workers', { waitFraction: 0, workers: 4, busy: 0.3 }, /consumer bounds/, ['`workers`: 2, in place of 4']],
  [
    'copying',
    'of cases from slow storage',
    { batches: 3, waitFraction: 0.9, copying: 0.8, busy: 0.1, ring: { held: 0 } },
    /^Slow storage bounds the stream: in 80 % of the time the next batch waits for cases/,
    [/^wait until every case has come once.*more `localCache`/],
  ],
  [
    'held batches',
    'in the hands of the consumer',
    { busy: 0.2, ring: { held: 5.2 } },
    /holds 5\.2 of the 6 batches/,
    [/^dispose each batch/, '`ring`: 11, in place of 6'],
  ],
  [
    'ring',
    'of one batch',
    { busy: 0.4, ring: { batches: 1, given: true } },
    /with one batch, workers often have nowhere to write to/,
    ['`ring`: 6, in place of 1'],
  ],
  [
    'ring',
    'that is as it should be, for a consumer that asks in bursts',
    { busy: 0.3, ...NO_CORES },
    /asks in bursts/,
    ['`ring`: 12, in place of 6'],
  ],
  [
    'memory',
    'for the ring',
    { busy: 0.4, ring: { batches: 2 } },
    /because of the machine's memory\. So the ring has 2 batches, and would have 6\./,
    [/^more memory: 1\.3 GiB/],
  ],
  [
    'memory',
    'of a container, for the ring',
    { busy: 0.4, ring: { batches: 2 }, memory: { limitedBy: 'container' } },
    /because of what the container or job grants/,
    [/^a container or job with 1\.3 GiB/],
  ],
  [
    'memory',
    'as an option says, for cases',
    {
      stages: { ...STAGES, read: 0.6, warpImage: 0.4 },
      blocked: 0.5,
      resident: { ...SOME_MISSING, limitedBy: 'memory' },
      memory: { limitedBy: 'option' },
    },
    /because of `maxMemoryBytes`\. So 1 of 4 cases stay in memory/,
    ['`maxMemoryBytes`: 1.2 GiB', /^`workers`/],
  ],
  [
    'disk',
    'that workers wait for',
    { stages: { ...STAGES, read: 0.8, warpImage: 0.2 }, blocked: 0.75, resident: { ...SOME_MISSING, limitedBy: 'default' } },
    /wait for it in 75 % of their time/,
    ['`cacheBytes`: 400.0 MiB, so that all 4 cases stay in memory', /local SSD/],
  ],
  [
    'disk',
    'while cases are read for the first time',
    { stages: { ...STAGES, read: 0.8, warpImage: 0.2 }, blocked: 0.75, resident: { loaded: 1 } },
    /1 of the 4 cases that stay in memory have been read so far/,
    [/local SSD/],
  ],
  [
    'disk',
    'though others use the cores, too',
    { stages: { ...STAGES, read: 0.9, warpImage: 0.1 }, blocked: 0.95, ...NO_CORES },
    /A disk/,
    [/local SSD/],
  ],
  [
    'disk',
    'that workers wait for, whatever else there is',
    { stages: { ...STAGES, read: 0.6, warpImage: 0.4 }, blocked: 0.8, queued: 0.3 },
    /wait for it in 50 %/,
    [/local SSD/],
  ],
  [
    'cores',
    'that others use, and no disk',
    { stages: { ...STAGES, read: 0.9, other: 0.1 }, blocked: 0.6, queued: 0.6, ...NO_CORES },
    /waited for one in 60 %/,
    [/^end what else runs/],
  ],
  [
    'decoding',
    'of .b2nd files',
    { format: 'b2nd', stages: { ...STAGES, decode: 0.6, read: 0.1, warpImage: 0.3 }, resident: { ...SOME_MISSING, limitedBy: 'option' } },
    /Decompressing \.b2nd files bounds the stream: it takes 60 %/,
    [/^`cacheBytes`/, /\.npy/, /^`workers`/],
  ],
  [
    'reading',
    'from the page cache',
    { stages: { ...STAGES, read: 0.9, other: 0.1 }, ...NO_CORES, resident: { ...SOME_MISSING, limitedBy: 'option' } },
    /out of files that lie in the page cache/,
    [/^`cacheBytes`/, /^more cores/],
  ],
  [
    'reading',
    'from memory',
    { stages: { ...STAGES, read: 0.9, other: 0.1 }, ...NO_CORES },
    /copying voxels out of memory/,
    [/^more cores/],
  ],
  [
    'augmentation',
    'by a module',
    { transforms: { spatial: 0.3, 'custom ./mine.ts': 0.5 } },
    /most of it is 'custom \.\/mine\.ts' with 50 %/,
    ["a faster 'custom ./mine.ts', or a smaller probability", /^`workers`/],
  ],
  [
    'augmentation',
    'where there are no more cores',
    NO_CORES,
    /most of it is 'spatial' with 50 %/,
    ["'spatial' left out, or with a smaller probability", /^more cores/],
  ],
  [
    'main thread',
    'that does something else',
    { busy: 0.3, mainThread: { busy: 0.95, scheduling: 0.05 } },
    /busy 95 % of its time, 5 % with planning/,
    [/^train in another thread/],
  ],
  [
    'main thread',
    'that hands out many small samples',
    { busy: 0.3, mainThread: { busy: 0.95, scheduling: 0.7 } },
    /70 % with planning/,
    [/^a loader in a thread of its own/],
  ],
  [
    'workers',
    'that are too few',
    {},
    /^Too few workers: 2 workers are busy 95 % of the time, and 5\.0 of 8 cores are free/,
    ['`workers`: 5, in place of 2'],
  ],
  ['workers', 'that are too few for one who does nothing else', { consumerMs: 0 }, /Too few workers/, ['`workers`: 7, in place of 2']],
  [
    'cores',
    'that others use',
    { ...NO_CORES, blocked: 0.6 },
    /Others use the cores: workers waited for one in 56 %/,
    [/^end what else runs/],
  ],
  [
    'cores',
    'that others use, though workers are idle meanwhile',
    { ...NO_CORES, busy: 0.5, blocked: 0.6 },
    /Others use the cores: workers waited for one in 56 % of their time\. /,
    [/^end what else runs/],
  ],
  [
    'cores',
    'that others use, for one who only asks, though the ring is large',
    { ...NO_CORES, busy: 0.5, waitFraction: 1, consumerMs: 0, ring: { batches: 141, wanted: 20 } },
    /Others use the cores: workers waited for one in 0 % of their time, and are busy only 50 % of it while no core is free\. /,
    [/^end what else runs/],
  ],
  [
    'cores',
    'that are fewer than workers',
    { ...NO_CORES, blocked: 0.6, workers: 8 },
    /more workers \(8\) than cores \(2\)/,
    ['`workers`: 2', /^more cores/],
  ],
];

describe('the verdict', () => {
  it.each(CASES)('is %s %s', (bound, _, change, why, remedies) => {
    const found = diagnose(measured(change));
    expect(found.bound).toBe(bound);
    expect(found.why).toMatch(why);
    expect(found.remedies.map(({ change }) => change)).toEqual(
      remedies.map((remedy) => (remedy instanceof RegExp ? expect.stringMatching(remedy) : remedy)),
    );
  });

  it('promises no more than the consumer takes', () => {
    const brings = (change: Change): string => diagnose(measured(change)).remedies[0].brings;
    // It takes twice as many: five workers in place of two would make two and a half times as many.
    expect(brings({})).toBe('nobody waits any more');
    expect(brings({ cores: { free: 1, granted: 3 } })).toBe('up to 1.5 times as many batches');
    expect(brings({ consumerMs: 0 })).toBe('up to 3.5 times as many batches');
  });

  it('gives no rate where no batch came', () => {
    const shown = showDiagnosis(diagnose(measured({ batches: 0, samples: 0, waitFraction: 0 })));
    expect(shown).toMatch(/^measured {13}0 batches, 0 patches in 5\.0 s$/m);
  });

  it('says where it has little to go by, and what it does not know', () => {
    const shown = (change: Change): string => showDiagnosis(diagnose(measured(change)));
    expect(shown({ batches: 1, samples: 9 })).toMatch(/^measured .*9 patches.*little to go by: more `seconds`/m);
    expect(shown({ batches: 100, samples: 900 })).not.toContain('little');
    expect(shown({ busy: 0, batches: 0, samples: 0 })).toMatch(/^transforms +not known$/m);
  });

  it('says something sensible of whatever is measured', () => {
    const part = fc.double({ min: 0, max: 1, noNaN: true });
    const whole = fc.integer({ min: 1, max: 64 });
    const any = fc
      .record({
        waitFraction: part,
        busy: part,
        blocked: part,
        queued: fc.option(part),
        batches: fc.integer({ min: 0, max: 1000 }),
        consumerMs: fc.oneof(fc.constant(0), fc.double({ min: 0.1, max: 1000, noNaN: true })),
        workers: whole,
        weights: fc.array(fc.double({ min: 0.001, max: 1, noNaN: true }), { minLength: 8, maxLength: 8 }),
        cores: fc.record({ granted: whole, free: fc.double({ min: 0, max: 64, noNaN: true }) }),
        mainThread: fc.record({ busy: part, scheduling: part }),
        ring: fc.record({
          batches: whole,
          wanted: whole,
          given: fc.boolean(),
          held: fc.double({ min: 0, max: 64, noNaN: true }),
          free: fc.double({ min: 0, max: 64, noNaN: true }),
        }),
        limitedBy: fc.constantFrom('option', 'default', 'memory', null),
        memoryBy: fc.constantFrom('option', 'container', 'machine'),
        custom: part,
      })
      .map(({ weights, limitedBy, memoryBy, custom, ...others }): Measurements => {
        const sum = weights.reduce((total, weight) => total + weight, 0);
        const names = Object.keys(STAGES);
        return measured({
          ...others,
          stages: Object.fromEntries(weights.map((weight, i) => [names[i], weight / sum])),
          transforms: { gamma: (1 - custom) / 2, 'custom ./mine.ts': custom / 2 },
          resident: limitedBy === null ? {} : { ...SOME_MISSING, limitedBy },
          memory: { limitedBy: memoryBy },
        });
      });
    fc.assert(
      fc.property(any, (one) => {
        const { bound, transform, why, remedies } = diagnose(one);
        const words = [why, ...remedies.flatMap((remedy) => Object.values(remedy))].join(' ');
        expect(words).not.toMatch(/NaN|Infinity|undefined|null|-\d/);
        expect(remedies.length > 0 || bound === 'nobody' || bound === 'consumer').toBe(true);
        expect(transform === null || bound === 'augmentation').toBe(true);
      }),
      { numRuns: 2000 },
    );
  });
});
