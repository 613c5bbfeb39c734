import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readNifti } from '../../src/formats/nifti.ts';
import { readNiftiHead } from '../../src/formats/nifti-head.ts';
import { type NiftiContent, writeNifti } from '../fixtures/nifti-file.ts';
import { numbers } from '../fixtures/raw-dataset.ts';
import { temporaryFolder } from '../fixtures/temporary-folder.ts';

const dir = temporaryFolder();

function write(name: string, content: Partial<NiftiContent> = {}): string {
  const path = join(dir, name);
  writeNifti(path, { shape: [3, 4, 5], data: new Array(60).fill(7), spacing: [2.5, 0.5, 0.75], ...content });
  return path;
}

describe('the head of a NIfTI file', () => {
  it.each<[string, Partial<NiftiContent>, number, number]>([
    ['plain.nii', {}, 240, 352],
    ['packed.nii.gz', {}, 240, 352],
    ['bytes.nii.gz', { datatype: 'uint8' }, 60, 352],
    ['wide.nii', { datatype: 'float64', bigEndian: true }, 480, 352],
    ['second.nii.gz', { version: 2, datatype: 'int16' }, 120, 544],
    ['flat.nii.gz', { shape: [12, 5], spacing: [0.5, 0.75] }, 240, 352],
    ['extended.nii', { extensions: [Buffer.alloc(3000, 1)] }, 240, 352 + 3008],
  ])('of %s says what the whole file does', async (name, content, voxelBytes, offset) => {
    const path = write(name, content);
    const { shape, spacing, affine } = await readNifti(path);
    expect(await readNiftiHead(path)).toEqual({ shape, spacing, affine, channels: 1, voxelBytes, offset, fileBytes: statSync(path).size });
  });

  it('is there though only the beginning of a large compressed file is read', async () => {
    const next = numbers(3);
    const path = write('large.nii.gz', { shape: [40, 50, 60], data: Array.from({ length: 120_000 }, () => next(60_000)) });
    expect(statSync(path).size).toBeGreaterThan(2 * 64 * 1024);
    expect(await readNiftiHead(path)).toMatchObject({ shape: [40, 50, 60], spacing: [2.5, 0.5, 0.75] });
    // What comes later may be lost.
    writeFileSync(path, readFileSync(path).subarray(0, 100_000));
    expect(await readNiftiHead(path)).toMatchObject({ shape: [40, 50, 60] });
  });

  it('is refused where there is none', async () => {
    const path = join(dir, 'nothing.nii');
    writeFileSync(path, 'nothing');
    await expect(readNiftiHead(path)).rejects.toMatchObject({ name: 'CaseError', where: path });
    const missing = join(dir, 'missing.nii');
    await expect(readNiftiHead(missing)).rejects.toMatchObject({ name: 'FileError', where: missing });
    await expect(readNiftiHead(write('zero.nii', { spacing: [0, 1, 1] }))).rejects.toMatchObject({
      name: 'CaseError',
      what: expect.stringContaining('spacing'),
    });
  });
});
