import { showBytes } from '../common/bytes.ts';
import { ADDRESSABLE } from '../shared-memory/layout.ts';
import {
  type Bound,
  contention,
  type Diagnosis,
  diskPart,
  findBound,
  type Measurements,
  MOST,
  type Remedy,
  type WorkerStage,
} from './diagnosis.ts';
import {
  count,
  gain,
  keepCases,
  MORE_CORES,
  MOVE_STORE,
  moreWorkers,
  moreWorkersOrCores,
  percent,
  showShares,
  stillLoading,
  waits,
  without,
} from './remedies.ts';

/** What bounds the stream, and what to do about it, by what was measured alone. */
export function diagnose(measured: Measurements): Diagnosis {
  const { bound, transform } = findBound(measured);
  const { why, remedies } = WORDS[bound](measured, transform);
  return { bound, transform, why, remedies, measured };
}

type Words = (measured: Measurements, transform: string | null) => { why: string; remedies: Remedy[] };

const STAGE_NAMES: Record<WorkerStage, string> = {
  read: 'reading',
  decode: 'decompressing',
  warpImage: 'rotating and scaling images',
  warpLabels: 'rotating and scaling labels',
  transforms: 'other transforms',
  mirror: 'mirroring',
  deepSupervision: 'coarser targets',
  other: 'everything else',
};

/** "reading 40 %, warping images 30 %", the largest first. */
export function showStages(stages: Measurements['stages']): string {
  return showShares(Object.fromEntries(Object.entries(stages).map(([stage, part]) => [STAGE_NAMES[stage as WorkerStage], part])));
}

function missingMemory({ ring, resident, memory }: Measurements): number {
  const short = Math.max(0, ring.wanted - ring.batches) * (ring.given ? 0 : ring.bytesPerBatch);
  return Math.min(ADDRESSABLE, memory.takenBytes + short + (resident.limitedBy === 'memory' ? 2 * resident.missingBytes : 0));
}

const WORDS: Record<Bound, Words> = {
  nobody: ({ seconds }) => ({
    why: `Nobody asked for a batch in ${seconds.toFixed(1)} s.`,
    remedies: [],
  }),

  unknown: (measured) => {
    const longer = Math.ceil(10 * measured.seconds);
    return {
      why: `No worker finished a sample in ${measured.seconds.toFixed(1)} s, so nothing tells what they do. ${waits(measured)}.`,
      remedies: [{ change: `\`seconds\`: ${longer}, to measure longer`, brings: 'more to go by', costs: `${longer} s` }],
    };
  },

  consumer: ({ waitFraction, consumerMs, workers, busy }) => {
    const enough = Math.max(1, Math.ceil((busy * workers) / 0.85));
    return {
      why: `The consumer bounds the stream: it takes ${consumerMs.toFixed(0)} ms a batch and waits ${percent(waitFraction)} of its time. Workers are busy ${percent(busy)} of theirs.`,
      remedies:
        enough < workers
          ? [
              {
                change: `\`workers\`: ${enough}, in place of ${workers}`,
                brings: `${count(workers - enough, 'core')} for the consumer`,
                costs: 'nothing as things are',
              },
            ]
          : [],
    };
  },

  copying: (measured) => ({
    why: `Slow storage bounds the stream: in ${percent(measured.copying)} of the time the next batch waits for cases that are copied to the local cache. ${waits(measured)}.`,
    remedies: [
      {
        change: 'wait until every case has come once; where that never ends, more `localCache`, best for the whole store',
        brings: gain(measured, 1 / Math.max(0.02, 1 - measured.copying)),
        costs: 'room on the local disk',
      },
    ],
  }),

  'held batches': (measured) => {
    const { ring, busy } = measured;
    const more = ring.batches + Math.round(ring.held);
    return {
      why: `The consumer holds ${ring.held.toFixed(1)} of the ${ring.batches} batches of the ring while it waits for another: workers have nowhere to write to, and are busy ${percent(busy)} of their time.`,
      remedies: [
        {
          change: 'dispose each batch before the next is asked for (`using batch = …`), and copy what is needed longer',
          brings: gain(measured, 1 / Math.max(0.1, busy)),
          costs: 'nothing',
        },
        {
          change: `\`ring\`: ${more}, in place of ${ring.batches}`,
          brings: gain(measured, 1 / Math.max(0.1, busy)),
          costs: showBytes((more - ring.batches) * ring.bytesPerBatch),
        },
      ],
    };
  },

  ring: (measured) => {
    const { ring, busy } = measured;
    const more = Math.max(ring.wanted, ring.batches < ring.wanted ? 0 : 2 * ring.batches);
    return {
      why:
        ring.batches < ring.wanted
          ? `The ring is too small: with ${ring.batches === 1 ? 'one batch' : `${ring.batches} batches`}, workers often have nowhere to write to, and are busy ${percent(busy)} of their time. ${waits(measured)}.`
          : `The workers are busy ${percent(busy)} of their time, and yet ${waits(measured).replace('The', 'the')}: it asks in bursts, longer than the ring of ${ring.batches} batches.`,
      remedies: [
        {
          change: `\`ring\`: ${more}, in place of ${ring.batches}`,
          brings: gain(measured, 1 / Math.max(0.1, busy)),
          costs: showBytes((more - ring.batches) * ring.bytesPerBatch),
        },
      ],
    };
  },

  memory: (measured) => {
    const { ring, resident, memory, stages, busy } = measured;
    const who = { option: '`maxMemoryBytes`', container: 'what the container or job grants', machine: "the machine's memory" }[
      memory.limitedBy
    ];
    const short = !ring.given && ring.batches < ring.wanted;
    const parts = [
      ...(short ? [`the ring has ${ring.batches} batches, and would have ${ring.wanted}`] : []),
      ...(resident.limitedBy === 'memory'
        ? [`${resident.places} of ${resident.cases} cases stay in memory, the others are read each time`]
        : []),
    ];
    const least = missingMemory(measured);
    const rings = short ? 1 / Math.max(0.1, busy) : 1;
    const reads = resident.limitedBy === 'memory' ? without((stages.read + stages.decode) * (1 - resident.places / resident.cases)) : 1;
    return {
      why: `Memory bounds the stream: the loader may take ${showBytes(memory.limitBytes)}, because of ${who}. So ${parts.join(', and ')}. ${waits(measured)}.`,
      remedies: [
        {
          change: {
            option: `\`maxMemoryBytes\`: ${showBytes(least)}`,
            container: `a container or job with ${showBytes(2 * least)} of memory, half of which a loader takes; or \`maxMemoryBytes\` nearer to what there is`,
            machine: `more memory: ${showBytes(2 * least)}, half of which a loader takes; or \`maxMemoryBytes\` nearer to what there is`,
          }[memory.limitedBy],
          brings: gain(measured, Math.max(rings, reads)),
          costs: showBytes(least - memory.takenBytes),
        },
        ...(short ? [] : moreWorkers(measured)),
      ],
    };
  },

  disk: (measured) => {
    const part = diskPart(measured);
    return {
      why: `A disk bounds the stream: workers wait for it in ${percent(part)} of their time. ${waits(measured)}.${stillLoading(measured)}`,
      remedies: [...keepCases(measured, part), MOVE_STORE],
    };
  },

  decoding: (measured) => {
    const { stages, format } = measured;
    return {
      why: `Decompressing .${format} files bounds the stream: it takes ${percent(stages.decode)} of the workers' time. ${waits(measured)}.${stillLoading(measured)}`,
      remedies: [
        ...keepCases(measured, stages.decode),
        {
          change: 'keep the arrays as .npy files (nnU-Net unpacks them; voxfeed preprocess writes them)',
          brings: gain(measured, without(stages.decode)),
          costs: 'two to five times the room on the disk, and more to read',
        },
        ...moreWorkers(measured),
      ],
    };
  },

  reading: (measured) => {
    const { stages, resident } = measured;
    const from = resident.missingBytes === 0 ? 'memory' : 'files that lie in the page cache';
    return {
      why: `Reading bounds the stream: ${percent(stages.read)} of the workers' time goes into copying voxels out of ${from}. ${waits(measured)}.${stillLoading(measured)}`,
      // Cropping from memory takes about half as long as from the page cache.
      remedies: [...keepCases(measured, stages.read / 2), ...moreWorkersOrCores(measured)],
    };
  },

  augmentation: (measured, transform) => {
    const { stages, transforms } = measured;
    const part = transform === null ? 0 : transforms[transform];
    const blame = transform === null ? '' : `; most of it is '${transform}' with ${percent(part)}`;
    return {
      why: `Making patches bounds the stream: ${showStages(stages)} of the workers' time${blame}. ${waits(measured)}.`,
      remedies: [
        ...(transform === null
          ? []
          : [
              {
                change: transform.startsWith('custom')
                  ? `a faster '${transform}', or a smaller probability`
                  : `'${transform}' left out, or with a smaller probability`,
                brings: gain(measured, without(part)),
                costs: transform.startsWith('custom') ? 'work on that module' : 'another augmentation than was asked for',
              },
            ]),
        ...moreWorkersOrCores(measured),
      ],
    };
  },

  'main thread': (measured) => {
    const { busy, scheduling } = measured.mainThread;
    const own = scheduling >= busy / 2;
    return {
      why: `The loader's thread bounds the stream: it is busy ${percent(busy)} of its time, ${percent(scheduling)} with planning and handing out samples. Workers are busy ${percent(measured.busy)} of theirs.`,
      remedies: [
        {
          change: own
            ? 'a loader in a thread of its own, shared with the one that trains (`share`, `connect`)'
            : 'train in another thread than the loader’s (`share`, `connect`): what blocks this one keeps samples from being handed out',
          brings: gain(measured, 1 / Math.max(0.1, measured.busy)),
          costs: 'a thread',
        },
      ],
    };
  },

  workers: (measured) => ({
    why: `Too few workers: ${count(measured.workers, 'worker')} ${measured.workers === 1 ? 'is' : 'are'} busy ${percent(measured.busy)} of the time, and ${measured.cores.free.toFixed(1)} of ${count(measured.cores.granted, 'core')} are free. ${waits(measured)}. What they do: ${showStages(measured.stages)}.`,
    remedies: moreWorkers(measured),
  }),

  cores: (measured) => {
    const { workers, busy, cores } = measured;
    const over = workers > cores.granted;
    const waited = contention(measured);
    // What hands out their work waits for a core, too.
    const idle = waited < MOST ? `, and are busy only ${percent(busy)} of it while no core is free` : '';
    return {
      why: over
        ? `There are more workers (${workers}) than cores (${cores.granted}): they take them from each other. ${waits(measured)}.`
        : `Others use the cores: workers waited for one in ${percent(waited)} of their time${idle}. ${waits(measured)}.`,
      remedies: over
        ? [{ change: `\`workers\`: ${cores.granted}`, brings: 'the same batches with less memory', costs: 'nothing' }, MORE_CORES]
        : [
            {
              change: 'end what else runs here, or take more cores',
              brings: gain(measured, without(waited) / Math.max(0.1, busy)),
              costs: 'cores',
            },
          ],
    };
  },
};
