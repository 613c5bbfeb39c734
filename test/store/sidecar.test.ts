import { Packr } from 'msgpackr';
import { describe, expect, it } from 'vitest';
import { StoreError } from '../../src/common/errors.ts';
import { hasher } from '../../src/common/hash.ts';
import { decodeSidecar, encodeSidecar, type Sidecar } from '../../src/store/sidecar.ts';

const checksum = await hasher();

const SIDECAR: Sidecar = {
  format: 'voxfeed-case',
  version: 3,
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
};

/** What decoding did: the sidecar, or the name of the error. */
function outcome(bytes: Uint8Array): Sidecar | string {
  try {
    return decodeSidecar('case_7.msgpack', bytes, checksum);
  } catch (error) {
    return (error as Error).name;
  }
}

describe('a sidecar', () => {
  it('comes back as it was', () => {
    expect(decodeSidecar('case_7.msgpack', encodeSidecar(SIDECAR, checksum), checksum)).toEqual(SIDECAR);
  });

  it('is plain MessagePack, with the checksums of the locations of each class and then the locations as its last bytes', () => {
    const bytes = encodeSidecar(SIDECAR, checksum);
    const { xxh64, locations, classes, ...rest } = new Packr({ useRecords: false }).unpack(bytes);
    const { classes: given, ...others } = SIDECAR;
    expect(rest).toEqual(others);
    expect(classes).toEqual(given.map(({ labels, voxels, locations }) => ({ labels, voxels, stored: locations.length })));
    expect([...locations.subarray(3 * 8)]).toEqual([3, 0, 0, 0, 119, 0, 0, 0, 70, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0]);
    const sums = given.map((_, i) =>
      locations
        .readBigUint64LE(8 * i)
        .toString(16)
        .padStart(16, '0'),
    );
    expect(sums).toEqual(given.map(({ locations }) => checksum(locations)));
    expect(bytes.subarray(-locations.length)).toEqual(locations);
  });

  it('holds only the part of a larger buffer that the locations are', () => {
    const locations = Uint32Array.from([9, 8, 7, 6]).subarray(1, 3);
    const sidecar = { ...SIDECAR, classes: [{ labels: [1], voxels: 2, locations }] };
    expect([...decodeSidecar('a', encodeSidecar(sidecar, checksum), checksum).classes[0].locations]).toEqual([8, 7]);
  });
});

/** The checksum of a sidecar, as it is written. */
function sumOf(sidecar: Sidecar): string {
  return new Packr({ useRecords: false }).unpack(encodeSidecar(sidecar, checksum)).xxh64;
}

describe('the checksum of a sidecar', () => {
  it('is the same wherever the locations lie in memory', () => {
    expect(sumOf(decodeSidecar('a', encodeSidecar(SIDECAR, checksum), checksum))).toBe(sumOf(SIDECAR));
  });

  it('differs with every field and every location', () => {
    const sum = sumOf(SIDECAR);
    const [first, ...others] = SIDECAR.classes;
    const changed: Partial<Record<keyof Sidecar, unknown>>[] = [
      ...(Object.keys(SIDECAR) as (keyof Sidecar)[])
        .filter((key) => !['classes', 'version'].includes(key))
        .map((key) => ({ [key]: 'other' })),
      { classes: [{ ...first, labels: [2] }, ...others] },
      { classes: [{ ...first, voxels: 1 }, ...others] },
      { classes: [{ ...first, locations: Uint32Array.from([3, 119, 0, 70]) }, ...others] },
      { classes: [others[0], first, others[1]] },
    ];
    for (const change of changed) expect(sumOf({ ...SIDECAR, ...change } as Sidecar), Object.keys(change)[0]).not.toBe(sum);
  });

  it('finds every flipped bit', () => {
    const bytes = encodeSidecar(SIDECAR, checksum);
    const unseen: string[] = [];
    for (let bit = 0; bit < 8 * bytes.length; bit++) {
      const damaged = Buffer.from(bytes);
      damaged[bit >> 3] ^= 1 << (bit & 7);
      const found = outcome(damaged);
      if (found !== 'StoreError') unseen.push(`bit ${bit & 7} of byte ${bit >> 3}: ${found}`);
    }
    expect(unseen).toEqual([]);
  });
});

describe('a damaged sidecar', () => {
  it('is refused with its path and what to do', () => {
    expect(() => decodeSidecar('folder/a.msgpack', Buffer.alloc(0), checksum)).toThrow(StoreError);
    expect(() => decodeSidecar('folder/a.msgpack', Buffer.alloc(0), checksum)).toThrow(/folder\/a\.msgpack: .*preprocess/);
  });

  it('is refused wherever it is cut off', () => {
    const bytes = encodeSidecar(SIDECAR, checksum);
    for (let length = 0; length < bytes.length; length++) expect(outcome(bytes.subarray(0, length)), `${length} bytes`).toBe('StoreError');
  });

  it('is refused where something follows', () => {
    expect(outcome(Buffer.concat([encodeSidecar(SIDECAR, checksum), Buffer.from([1])]))).toBe('StoreError');
  });

  it('never fails with anything but a StoreError, whichever byte changed', () => {
    const bytes = encodeSidecar(SIDECAR, checksum);
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
      { ...SIDECAR, version: 4 },
    ])
      expect(outcome(packr.pack(content))).toBe('StoreError');
  });

  it('is refused where its class locations are missing or no whole numbers', () => {
    const packr = new Packr({ useRecords: false });
    const content = packr.unpack(encodeSidecar(SIDECAR, checksum));
    const [first, ...others] = content.classes;
    for (const change of [
      { classes: undefined },
      { classes: null },
      { classes: [{ ...first, stored: first.stored + 1 }, ...others] },
      { classes: [{ ...first, stored: -1 }, ...others] },
      { locations: undefined },
      { locations: Buffer.alloc(7) },
      { locations: content.locations.subarray(4) },
    ])
      expect(outcome(packr.pack({ ...content, ...change }))).toBe('StoreError');
  });
});
