import { Packr } from 'msgpackr';
import { describe, expect, it } from 'vitest';
import { StoreError } from '../../src/common/errors.ts';
import { hasher } from '../../src/common/hash.ts';
import { decodeSidecar, encodeSidecar, type Sidecar, sidecarChecksum } from '../../src/store/sidecar.ts';

const SIDECAR: Sidecar = {
  format: 'voxfeed-case',
  version: 2,
  id: 'case_7',
  channels: 2,
  shape: [4, 5, 6],
  spacing: [2.5, 0.75, 0.75],
  transpose: [1, 0, 2],
  rawSpacing: [3, 0.5, 0.75],
  shapeBeforeCrop: [8, 9, 10],
  cropBox: { lower: [1, 2, 3], upper: [5, 7, 9] },
  affine: [
    [0.75, 0, 0, -10.5],
    [0, 0.75, 0, 20],
    [0, 0, 2.5, 30],
    [0, 0, 0, 1],
  ],
  coverage: [{ patch: [1, 4, 4], any: 0.25, classes: [0.25, 0.125, 0] }],
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
  xxh64: 'cccccccccccccccc',
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

describe('the checksum of a sidecar', () => {
  it('is the same wherever the locations lie in memory, and does not count itself', async () => {
    const checksum = await hasher();
    const back = decodeSidecar('a', encodeSidecar(SIDECAR));
    expect(sidecarChecksum(checksum, back)).toBe(sidecarChecksum(checksum, SIDECAR));
    expect(sidecarChecksum(checksum, { ...SIDECAR, xxh64: '' })).toBe(sidecarChecksum(checksum, SIDECAR));
  });

  it('differs with every field and every location', async () => {
    const checksum = await hasher();
    const sum = sidecarChecksum(checksum, SIDECAR);
    const [first, ...others] = SIDECAR.classes;
    const changed: Partial<Record<keyof Sidecar, unknown>>[] = [
      ...(Object.keys(SIDECAR) as (keyof Sidecar)[])
        .filter((key) => !['classes', 'xxh64'].includes(key))
        .map((key) => ({ [key]: 'other' })),
      { classes: [{ ...first, labels: [2] }, ...others] },
      { classes: [{ ...first, voxels: 1 }, ...others] },
      { classes: [{ ...first, locations: Uint32Array.from([3, 119, 0, 70]) }, ...others] },
      { classes: [others[0], first, others[1]] },
    ];
    for (const change of changed)
      expect(sidecarChecksum(checksum, { ...SIDECAR, ...change } as Sidecar), Object.keys(change)[0]).not.toBe(sum);
  });

  it('or decoding finds every flipped bit', async () => {
    const checksum = await hasher();
    const bytes = encodeSidecar({ ...SIDECAR, xxh64: sidecarChecksum(checksum, SIDECAR) });
    const unseen: string[] = [];
    for (let bit = 0; bit < 8 * bytes.length; bit++) {
      const damaged = Buffer.from(bytes);
      damaged[bit >> 3] ^= 1 << (bit & 7);
      const found = outcome(damaged);
      if (typeof found === 'string') continue;
      const where = `bit ${bit & 7} of byte ${bit >> 3}`;
      try {
        if (sidecarChecksum(checksum, found) === found.xxh64) unseen.push(where);
      } catch (error) {
        // It must say that the sidecar differs, and not fail itself.
        unseen.push(`${where}: ${(error as Error).message}`);
      }
    }
    expect(unseen).toEqual([]);
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
    for (const content of [
      null,
      3,
      'text',
      [],
      {},
      { ...SIDECAR, format: 'other' },
      { ...SIDECAR, version: 1 },
      { ...SIDECAR, version: 3 },
    ])
      expect(outcome(packr.pack(content))).toBe('StoreError');
  });

  it('is refused where its class locations are missing or no whole numbers', () => {
    const packr = new Packr({ useRecords: false });
    const { classes, ...rest } = SIDECAR;
    for (const content of [rest, { ...rest, classes: null }, { ...rest, classes: [{ ...classes[0], locations: Buffer.alloc(7) }] }])
      expect(outcome(packr.pack(content))).toBe('StoreError');
  });
});
