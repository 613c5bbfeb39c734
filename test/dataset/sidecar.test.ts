import { Packr } from 'msgpackr';
import { describe, expect, it } from 'vitest';
import { decodeSidecar, encodeSidecar, type Sidecar } from '../../src/dataset/sidecar.ts';
import { StoreError } from '../../src/errors.ts';

const SIDECAR: Sidecar = {
  format: 'voxfeed-case',
  version: 1,
  id: 'case_7',
  channels: 2,
  shape: [4, 5, 6],
  spacing: [2.5, 0.75, 0.75],
  shapeBeforeCrop: [8, 9, 10],
  cropBox: { lower: [1, 2, 3], upper: [5, 7, 9] },
  affine: [
    [0.75, 0, 0, -10.5],
    [0, 0.75, 0, 20],
    [0, 0, 2.5, 30],
    [0, 0, 0, 1],
  ],
  optionsHash: '0123456789abcdef',
  sources: [
    { name: 'case_7_0000.nii.gz', bytes: 1234, modifiedMs: 1700000000000 },
    { name: 'case_7.nii.gz', bytes: 99, modifiedMs: 1700000000001 },
  ],
  files: { data: { bytes: 608, xxh64: 'aaaaaaaaaaaaaaaa' }, segmentation: { bytes: 248, xxh64: 'bbbbbbbbbbbbbbbb' } },
  classes: [
    { labels: [1], voxels: 70000, locations: Uint32Array.from([3, 119, 70, 0]) },
    { labels: [1, 2], voxels: 0, locations: new Uint32Array(0) },
    { labels: [-1, 0, 1, 2], voxels: 1, locations: Uint32Array.from([5]) },
  ],
};

/** What decoding did: the sidecar, or the name of the error. */
function outcome(bytes: Uint8Array): Sidecar | string {
  try {
    return decodeSidecar('case_7.msgpack', bytes);
  } catch (error) {
    return (error as Error).name;
  }
}

describe('a sidecar', () => {
  it('comes back as it was', () => {
    expect(decodeSidecar('case_7.msgpack', encodeSidecar(SIDECAR))).toEqual(SIDECAR);
  });

  it('is plain MessagePack with the locations as little-endian bytes', () => {
    const content = new Packr({ useRecords: false }).unpack(encodeSidecar(SIDECAR));
    expect(Object.keys(content)).toEqual(Object.keys(SIDECAR));
    expect([...content.classes[0].locations]).toEqual([3, 0, 0, 0, 119, 0, 0, 0, 70, 0, 0, 0, 0, 0, 0, 0]);
  });

  it('holds only the part of a larger buffer that the locations are', () => {
    const locations = Uint32Array.from([9, 8, 7, 6]).subarray(1, 3);
    const sidecar = { ...SIDECAR, classes: [{ labels: [1], voxels: 2, locations }] };
    expect([...decodeSidecar('a', encodeSidecar(sidecar)).classes[0].locations]).toEqual([8, 7]);
  });
});

describe('a damaged sidecar', () => {
  it('is refused with its path and what to do', () => {
    expect(() => decodeSidecar('folder/a.msgpack', Buffer.alloc(0))).toThrow(StoreError);
    expect(() => decodeSidecar('folder/a.msgpack', Buffer.alloc(0))).toThrow(/folder\/a\.msgpack: .*preprocess/);
  });

  it('is refused wherever it is cut off', () => {
    const bytes = encodeSidecar(SIDECAR);
    for (let length = 0; length < bytes.length; length++) expect(outcome(bytes.subarray(0, length)), `${length} bytes`).toBe('StoreError');
  });

  it('is refused where something follows', () => {
    expect(outcome(Buffer.concat([encodeSidecar(SIDECAR), Buffer.from([1])]))).toBe('StoreError');
  });

  it('never fails with anything but a StoreError, whichever byte changed', () => {
    const bytes = encodeSidecar(SIDECAR);
    const others = new Set<string>();
    for (let at = 0; at < bytes.length; at++) {
      for (const change of [0x01, 0x10, 0x80, 0xff]) {
        const damaged = Buffer.from(bytes);
        damaged[at] ^= change;
        const found = outcome(damaged);
        if (typeof found === 'string' && found !== 'StoreError') others.add(`${found} at byte ${at}`);
      }
    }
    expect([...others]).toEqual([]);
  });

  it('is refused where it is something else', () => {
    const packr = new Packr({ useRecords: false });
    for (const content of [null, 3, 'text', [], {}, { ...SIDECAR, format: 'other' }, { ...SIDECAR, version: 2 }])
      expect(outcome(packr.pack(content))).toBe('StoreError');
  });

  it('is refused where its class locations are missing or no whole numbers', () => {
    const packr = new Packr({ useRecords: false });
    const { classes, ...rest } = SIDECAR;
    for (const content of [rest, { ...rest, classes: null }, { ...rest, classes: [{ ...classes[0], locations: Buffer.alloc(7) }] }])
      expect(outcome(packr.pack(content))).toBe('StoreError');
  });
});
