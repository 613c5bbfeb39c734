import { centred, shifted } from '../augmentation/reading.ts';
import { boxShape } from '../common/geometry.ts';
import { foregroundOf } from '../raw/labels.ts';
import { patchHolds } from '../sampling/visibility.ts';
import type { Store } from '../store/store.ts';
import type { PlannedFacts } from './facts.ts';
import type { Packet } from './packet.ts';
import type { OpenStream } from './replayers.ts';

/** Numbers of a planned patch: its case, 1 where it was forced, and the first voxel of its box. */
const FIELDS = 5;

/** Plans the first patches of a stream of one configuration, and looks which classes they hold: no voxel is read. */
export function planPatches(store: Store, stream: OpenStream, count: number): Packet & { facts: Omit<PlannedFacts, 'realised'> } {
  const [{ options, replayer }] = stream.configurations;
  const { sampling } = replayer;
  const classes = foregroundOf(store.classes);
  const numbers = classes.map((entry) => store.classes.indexOf(entry));
  const boxes = new Int32Array(FIELDS * count);
  const drawn: number[] = Array(store.cases.length).fill(0);
  const holding = classes.map(() => 0);
  const forcedOnto = classes.map(() => 0);
  for (let sample = 0; sample < count; sample++) {
    const plan = replayer.plan(sample);
    const { lower } = shifted(centred(boxShape(plan.crop), options.patch), plan.crop.lower);
    boxes.set([plan.caseNumber, Number(plan.forced), ...lower], FIELDS * sample);
    drawn[plan.caseNumber]++;
    const held = patchHolds(store, sampling, plan, numbers);
    for (const [i, classNumber] of numbers.entries()) {
      if (held[i]) holding[i]++;
      if (plan.classNumber === classNumber) forcedOnto[i]++;
    }
  }
  return {
    facts: {
      count,
      patch: options.patch,
      classes: classes.map(({ name }) => name),
      drawn,
      holding: holding.map((patches) => patches / count),
      forcedOnto: forcedOnto.map((patches) => patches / count),
      target: classes.map(({ name }) => options.exposure?.[name] ?? null),
    },
    arrays: { boxes: { data: boxes, shape: [count, FIELDS] } },
  };
}
