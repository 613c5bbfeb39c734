import { type PackedError, pack, VoxfeedError } from '../common/errors.ts';
import type { Labels } from '../raw/labels.ts';
import type { RawCase } from '../raw/raw-dataset.ts';
import { readCase, readImages, readSegmentation } from '../raw/read-case.ts';
import type { NotedReading } from '../raw/readers.ts';

/** Everything that is wrong with the files of a case: after the first fault, each file that comes later is looked at by itself. */
export async function findFaults(raw: RawCase, labels: Labels, reading: NotedReading): Promise<PackedError[]> {
  const faults: PackedError[] = [];
  const attempt = async (read: () => Promise<unknown>): Promise<void> => {
    try {
      await read();
    } catch (error) {
      if (!(error instanceof VoxfeedError)) throw error;
      faults.push(pack(error));
    }
  };
  await attempt(() => readCase(raw, labels, reading));
  // A channel each, where there is more than one file.
  const one = { ...reading, channels: 1 };
  const at = raw.images.indexOf(faults[0]?.where);
  if (at < 0) return faults;
  for (const path of raw.images.slice(at + 1)) await attempt(() => readImages([path], one));
  await attempt(() => readSegmentation(raw, labels, reading));
  return faults;
}
