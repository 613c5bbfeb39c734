import { join } from 'node:path';

/** The three files of one stored case. */
export function caseFiles(dir: string, id: string): { data: string; segmentation: string; sidecar: string } {
  return { data: join(dir, `${id}.npy`), segmentation: join(dir, `${id}_seg.npy`), sidecar: join(dir, `${id}.msgpack`) };
}
