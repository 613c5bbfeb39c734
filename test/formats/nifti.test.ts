import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import zlib, { gzipSync } from 'node:zlib';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { readNifti } from '../../src/formats/nifti.ts';
import { encodeNifti, NIFTI_DATATYPES, type NiftiContent, type NiftiDatatype, writeNifti } from '../fixtures/nifti-file.ts';
import { numbers } from '../fixtures/raw-dataset.ts';
import { temporaryFolder } from '../fixtures/temporary-folder.ts';

const SAMPLES: Record<NiftiDatatype, number[]> = {
  uint8: [0, 1, 2, 127, 128, 255],
  int8: [0, 1, -1, 127, -127, -128],
  int16: [0, 1, -1, 258, 32767, -32768],
  uint16: [0, 1, 258, 32768, 65534, 65535],
  int32: [0, -1, 16909060, 2 ** 24, -(2 ** 31), 65536],
  uint32: [0, 1, 16909060, 2 ** 24, 2 ** 31, 3 * 2 ** 30],
  int64: [0, -1, 258, 2 ** 40, -(2 ** 40), -(2 ** 63)],
  uint64: [0, 1, 258, 2 ** 40, 2 ** 63, 3],
  float32: [0, -0.5, 0.1, 1e30, -1e-30, 3.5],
  float64: [0, -0.5, 0.1, 1e30, -1e-30, 3.5],
};

const COUNTING: NiftiContent = { shape: [2, 3, 4], data: Array.from({ length: 24 }, (_, i) => i), spacing: [5, 0.75, 0.5] };

async function readBack(content: NiftiContent, name = 'image.nii.gz') {
  const path = join(temporaryFolder(), name);
  writeNifti(path, content);
  return readNifti(path);
}

it('an origin that is no number is refused: no store could hold it', async () => {
  const path = join(temporaryFolder(), 'image.nii');
  writeNifti(path, COUNTING);
  const bytes = readFileSync(path);
  // qoffset_x and srow_x[3] (nifti1.h); whichever of them says where the image lies.
  for (const at of [268, 292]) bytes.writeFloatLE(Number.NaN, at);
  writeFileSync(path, bytes);
  await expect(readNifti(path, 'nibabel')).rejects.toMatchObject({ where: path, what: expect.stringMatching(/NaN or infinite/) });
});

describe('reading voxels', () => {
  for (const datatype of NIFTI_DATATYPES) {
    for (const version of [1, 2] as const) {
      for (const bigEndian of [false, true]) {
        it(`${datatype} of NIfTI-${version}, ${bigEndian ? 'big' : 'little'} endian, comes back exactly`, async () => {
          const data = SAMPLES[datatype];
          const volume = await readBack({ shape: [1, 2, 3], data, datatype, version, bigEndian });
          expect(volume.data).toEqual(Float32Array.from(data));
          expect(volume.shape).toEqual([1, 2, 3]);
        });
      }
    }
  }

  it('keeps the order of the file, x fastest, and turns the axes into [z, y, x]', async () => {
    const volume = await readBack(COUNTING);
    expect(volume.shape).toEqual([2, 3, 4]);
    expect([...volume.data]).toEqual(COUNTING.data);
    expect(volume.spacing).toEqual([5, 0.75, 0.5]);
  });

  it('reads a file that is not compressed like one that is', async () => {
    const plain = await readBack(COUNTING, 'image.nii');
    const compressed = await readBack(COUNTING, 'image.nii.gz');
    expect({ ...plain, path: '' }).toEqual({ ...compressed, path: '' });
    expect(plain.path).toMatch(/image\.nii$/);
  });

  it('finds the voxels behind header extensions', async () => {
    for (const version of [1, 2] as const) {
      const volume = await readBack({ ...COUNTING, version, extensions: [Buffer.alloc(24, 'x')] });
      expect([...volume.data]).toEqual(COUNTING.data);
    }
  });

  it('finds the voxels behind several extensions of more than a kilobyte', async () => {
    const volume = await readBack({ ...COUNTING, extensions: [Buffer.alloc(2040, 'x'), Buffer.alloc(2040, 'y')] });
    expect([...volume.data]).toEqual(COUNTING.data);
  });
});

describe('scaling', () => {
  const data = [-2, 0, 1, 100];
  const shape = [1, 2, 2];

  it('applies slope and intercept', async () => {
    const { data: found } = await readBack({ shape, data, datatype: 'int16', slope: 0.5, inter: -1024 });
    expect([...found]).toEqual([-1025, -1024, -1023.5, -974]);
  });

  it('applies them to floating-point voxels too', async () => {
    const { data: found } = await readBack({ shape, data, slope: 2, inter: 1 });
    expect([...found]).toEqual([-3, 1, 3, 201]);
  });

  it('applies an intercept alone', async () => {
    const { data: found } = await readBack({ shape, data, datatype: 'int16', slope: 1, inter: 10 });
    expect([...found]).toEqual([8, 10, 11, 110]);
  });

  it.each([
    [0, 7, [5, 7, 8, 107], data],
    [Number.NaN, 7, [5, 7, 8, 107], data],
    [Number.POSITIVE_INFINITY, 1, [-1, 1, 2, 101], data],
    [0, 0, data, data],
    [2, Number.NaN, [-4, 0, 2, 200], null],
    [1, Number.POSITIVE_INFINITY, data, null],
  ])('takes a slope of %s and an intercept of %s as each reader does, and ITK says so', async (slope, inter, itk, nibabel) => {
    const path = join(temporaryFolder(), 'a.nii');
    writeNifti(path, { shape, data, datatype: 'int16', slope, inter });
    const found = await readNifti(path, 'itk');
    expect([...found.data]).toEqual(itk);
    expect(found.odd).toEqual(inter === 0 ? [] : [expect.stringContaining(`scl_slope of ${slope} and a scl_inter of ${inter}: taken for`)]);
    if (nibabel !== null) expect([...(await readNifti(path, 'nibabel')).data]).toEqual(nibabel);
    else await expect(readNifti(path, 'nibabel')).rejects.toMatchObject({ where: path, what: expect.stringContaining('nibabel refuses') });
  });

  it('takes a slope that is no number as not scaled', async () => {
    const { data: found } = await readBack({ shape, data, datatype: 'int16', slope: Number.NaN, inter: Number.NaN });
    expect([...found]).toEqual(data);
  });
});

describe('geometry', () => {
  it('gives a 2D image a leading axis and a spacing that is never resampled', async () => {
    const volume = await readBack({ shape: [2, 3], data: [1, 2, 3, 4, 5, 6], spacing: [0.5, 0.25] });
    expect(volume.shape).toEqual([1, 2, 3]);
    expect(volume.spacing).toEqual([999 * 0.5, 0.5, 0.25]);
    expect([...volume.data]).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it('accepts further axes of size 1', async () => {
    const volume = await readBack({ ...COUNTING, dims: [5, 4, 3, 2, 1, 1] });
    expect(volume.shape).toEqual([2, 3, 4]);
  });

  it('takes the size of a negative spacing', async () => {
    const volume = await readBack({ ...COUNTING, spacing: [5, -0.75, -0.5] });
    expect(volume.spacing).toEqual([5, 0.75, 0.5]);
  });

  it('passes the matrix of the header on', async () => {
    for (const version of [1, 2] as const) {
      const { affine } = await readBack({ ...COUNTING, version, origin: [-10, 20, 30] });
      expect(affine).toEqual([
        [0.5, 0, 0, -10],
        [0, 0.75, 0, 20],
        [0, 0, 5, 30],
        [0, 0, 0, 1],
      ]);
    }
  });

  // Half a turn about z: x and y change sign.
  const halfTurn = [
    [-0.5, 0, 0, -10],
    [0, -0.75, 0, 20],
    [0, 0, 5, 30],
    [0, 0, 0, 1],
  ];

  for (const version of [1, 2] as const) {
    it(`turns the quaternion of NIfTI-${version} into a matrix`, async () => {
      const { affine } = await readBack({ ...COUNTING, version, origin: [-10, 20, 30], quaternion: [0, 0, 1] });
      affine.flat().forEach((value, i) => {
        expect(value).toBeCloseTo(halfTurn.flat()[i], 6);
      });
    });
  }

  it('reads a quaternion that rounding made a little longer than 1', async () => {
    const { affine } = await readBack({ ...COUNTING, origin: [-10, 20, 30], quaternion: [0, 0, 1 + 2 ** -23] });
    affine.flat().forEach((value, i) => {
      expect(value).toBeCloseTo(halfTurn.flat()[i], 5);
    });
  });
});

describe('bytes after the image', () => {
  const image = encodeNifti(COUNTING);
  const packed = gzipSync(image);
  it.each<[string, string, Buffer, string[]]>([
    ['one byte', 'a.nii', Buffer.concat([image, Buffer.alloc(1)]), ['1 bytes follow the image: left out']],
    [
      'a slice that the header leaves out',
      'a.nii',
      encodeNifti({ ...COUNTING, dims: [3, 4, 3, 1] }),
      ['48 bytes follow the image: left out'],
    ],
    [
      'bytes that are compressed with it',
      'a.nii.gz',
      gzipSync(Buffer.concat([image, Buffer.alloc(16)])),
      ['further bytes follow the image: left out'],
    ],
    ['a second gzip member', 'a.nii.gz', Buffer.concat([packed, gzipSync('second')]), ['further bytes follow the image: left out']],
    ['text after the gzip data', 'a.nii.gz', Buffer.concat([packed, Buffer.from('more text')]), ['9 bytes follow the gzip data: left out']],
    [
      'what begins like gzip',
      'a.nii.gz',
      Buffer.concat([packed, Buffer.from('\x1f\x8bjunk', 'latin1')]),
      ['6 bytes follow the gzip data: left out'],
    ],
    ['zeros after the gzip data', 'a.nii.gz', Buffer.concat([packed, Buffer.alloc(512)]), ['512 bytes follow the gzip data: left out']],
    [
      'both',
      'a.nii.gz',
      Buffer.concat([gzipSync(Buffer.concat([image, Buffer.alloc(16)])), Buffer.from('text')]),
      ['further bytes follow the image: left out'],
    ],
    [
      'both, the image in two members',
      'a.nii.gz',
      Buffer.concat([
        gzipSync(image.subarray(0, 400)),
        gzipSync(Buffer.concat([image.subarray(400), Buffer.alloc(100)])),
        Buffer.from([0x1f, 0x8b, 8, 0xff, 1, 2, 3]),
      ]),
      ['further bytes follow the image: left out'],
    ],
    [
      'text after two members',
      'a.nii.gz',
      Buffer.concat([gzipSync(image.subarray(0, 400)), gzipSync(image.subarray(400)), Buffer.from('text')]),
      ['4 bytes follow the gzip data: left out'],
    ],
    [
      'a line break after the gzip data',
      'a.nii.gz',
      Buffer.concat([packed, Buffer.from('\n')]),
      ['1 bytes follow the gzip data: left out'],
    ],
    ['half of what gzip begins with', 'a.nii.gz', Buffer.concat([packed, Buffer.from([0x1f])]), ['1 bytes follow the gzip data: left out']],
    [
      'what begins like a member whose header is damaged',
      'a.nii.gz',
      Buffer.concat([packed, Buffer.from([0x1f, 0x8b, 8, 2, 0, 0, 0, 0, 0, 3, 1, 2, 7, 7, 7])]),
      ['15 bytes follow the gzip data: left out'],
    ],
    ['none, in two members', 'a.nii.gz', Buffer.concat([gzipSync(image.subarray(0, 400)), gzipSync(image.subarray(400))]), []],
  ])('are left out, and that is said: %s', async (_, name, bytes, odd) => {
    const path = join(temporaryFolder(), name);
    writeFileSync(path, bytes);
    const found = await readNifti(path);
    expect([...found.data]).toEqual([...(COUNTING.data as number[])].slice(0, found.data.length));
    expect(found.data.length).toBe(24 / (odd[0]?.startsWith('48') ? 2 : 1));
    expect(found.odd).toEqual(odd);
  });
});

describe('what follows an image in its gzip data', () => {
  // Of some kilobytes and of many: the first kilobytes of a file are read twice.
  it.each([12, 30])('is inflated for its checksum: %d voxels along each axis', async (size) => {
    const dir = temporaryFolder();
    const path = join(dir, 'a.nii.gz');
    const next = numbers(size);
    const content: NiftiContent = {
      shape: [size, size, size],
      data: Array.from({ length: size ** 3 }, () => next(100)),
      datatype: 'int16',
    };
    const image = Buffer.concat([encodeNifti(content), Buffer.alloc(7)]);
    const packed = gzipSync(image, { level: 0 });
    writeFileSync(path, packed);
    expect((await readNifti(path)).odd).toEqual(['further bytes follow the image: left out']);
    const refused = async (bytes: Buffer): Promise<void> => {
      writeFileSync(path, bytes);
      await expect(readNifti(path)).rejects.toMatchObject({
        name: 'CaseError',
        where: path,
        what: expect.stringContaining('damaged or cut off'),
      });
    };
    // The header says one byte a voxel where there are two: a gzip header of ten bytes, one of a block of five.
    const narrow = Buffer.from(packed);
    expect(narrow.readInt16LE(15 + 70)).toBe(4);
    narrow.writeInt16LE(2, 15 + 70);
    narrow.writeInt16LE(8, 15 + 72);
    await refused(narrow);
    // One bit of one voxel.
    const flipped = Buffer.from(packed);
    flipped[packed.length >> 1] ^= 1;
    await refused(flipped);
    // Cut within what follows.
    await refused(packed.subarray(0, -10));
  });
});

describe('gzip members', () => {
  const size = 20;
  const next = numbers(8);
  const content: NiftiContent = {
    shape: [size, size, size],
    data: Array.from({ length: size ** 3 }, () => next(200)),
    datatype: 'uint8',
  };
  const image = encodeNifti(content);
  const path = join(temporaryFolder(), 'a.nii.gz');
  const read = (...parts: Buffer[]) => {
    writeFileSync(path, Buffer.concat(parts));
    return readNifti(path);
  };
  const [first, second] = [gzipSync(image.subarray(0, 3000)), gzipSync(image.subarray(3000))];
  const garbage = Buffer.from('garbage');
  /** With a checksum of the header that is wrong, as after a bit of it has flipped. */
  const flagged = (member: Buffer): Buffer => Buffer.concat([member.subarray(0, 3), Buffer.from([2]), member.subarray(4)]);
  const flipped = (member: Buffer, at: number): Buffer => Buffer.from(member.map((byte, i) => (i === at ? byte ^ 1 : byte)));

  it('with far more than an image, and garbage behind that, are read', async () => {
    for (const more of [900_000, 1_500_000, 2_500_000]) {
      const { data, odd } = await read(gzipSync(Buffer.concat([image, Buffer.alloc(more)])), garbage);
      expect([...data]).toEqual([...(content.data as number[])]);
      expect(odd).toEqual(['further bytes follow the image: left out']);
    }
  });

  it('that are damaged are never taken for whole, whatever lies around them', async () => {
    const refused = async (...parts: Buffer[]): Promise<void> =>
      expect(read(...parts)).rejects.toMatchObject({
        name: 'CaseError',
        where: path,
        what: expect.stringMatching(/damaged|cut off|the file holds/),
      });
    await refused(flagged(first), second);
    await refused(first, flagged(second));
    await refused(first, flagged(second), garbage);
    // Without its checksums, and with a voxel that changed.
    await refused(first, second.subarray(0, -8), garbage);
    for (let at = 10; at < second.length; at += 97) {
      await refused(first, flipped(second, at), garbage);
      await refused(first, flagged(flipped(second, at)));
      await refused(flipped(first, Math.min(at, first.length - 1)), second, garbage);
      await refused(flagged(flipped(gzipSync(image), at)));
    }
    // More than the image in the first one, and that is damaged behind it.
    const long = gzipSync(Buffer.concat([image, Buffer.alloc(5000, 'more')]));
    await refused(flagged(long));
    await refused(flagged(long.subarray(0, -20)));
    await refused(gzipSync(image), second.subarray(0, -3));
    await refused(gzipSync(image), second.subarray(0, 5));
    await refused(gzipSync(image).subarray(0, -1));
  });

  it('may be many, before garbage too', async () => {
    const members = Array.from({ length: Math.ceil(image.length / 50) }, (_, i) => gzipSync(image.subarray(50 * i, 50 * i + 50)));
    const { data, odd } = await read(...members, garbage);
    expect([...data]).toEqual([...(content.data as number[])]);
    expect(odd).toEqual(['7 bytes follow the gzip data: left out']);
  });
});

describe('files that cannot be used', () => {
  async function refused(name: string, bytes: Buffer, what: RegExp): Promise<void> {
    const path = join(temporaryFolder(), name);
    writeFileSync(path, bytes);
    await expect(readNifti(path)).rejects.toMatchObject({
      name: 'CaseError',
      code: 'VOXFEED_BAD_CASE',
      where: path,
      what: expect.stringMatching(what),
      action: expect.stringMatching(/\S/),
      message: expect.stringContaining(path),
    });
  }

  it('names a gzip file that is cut off', async () => {
    const bytes = gzipSync(encodeNifti({ shape: [8, 8, 8], data: Array.from({ length: 512 }, (_, i) => Math.sin(i)) }));
    for (const length of [bytes.length - 1, bytes.length >> 1, 20, 3]) await refused('a.nii.gz', bytes.subarray(0, length), /cut off/);
  });

  it('names a gzip file with a changed byte', async () => {
    const bytes = gzipSync(encodeNifti(COUNTING));
    bytes[bytes.length - 6] ^= 0xff;
    await refused('a.nii.gz', bytes, /damaged/);
  });

  it('names a .nii.gz file that is not gzip', async () => {
    await refused('a.nii.gz', encodeNifti(COUNTING), /not gzip/);
    await refused('a.nii.gz', Buffer.alloc(0), /not gzip/);
  });

  it('names a .nii file that is gzip', async () => {
    await refused('a.nii', gzipSync(encodeNifti(COUNTING)), /./);
  });

  it('names a file with fewer voxels than its header announces', async () => {
    const bytes = encodeNifti(COUNTING);
    await refused('a.nii', bytes.subarray(0, bytes.length - 1), /announces 96 bytes.*holds 95/);
    await refused('a.nii', bytes.subarray(0, 352), /holds 0/);
    await refused('a.nii.gz', gzipSync(encodeNifti({ ...COUNTING, dims: [3, 4, 3, 3] })), /announces 144 bytes.*holds 96/);
  });

  it('names a header that announces an enormous image, without making room for it', async () => {
    await refused('a.nii', encodeNifti({ ...COUNTING, dims: [3, 32767, 32767, 32767] }), /announces/);
    await refused('a.nii', encodeNifti({ ...COUNTING, version: 2, dims: [3, 2 ** 40, 2 ** 40, 2] }), /announces/);
    await refused('a.nii.gz', gzipSync(encodeNifti({ ...COUNTING, dims: [3, 32767, 32767, 32767] })), /announces/);
  });

  it('inflates no more than the header announces', async () => {
    const inflated = vi.spyOn(zlib, 'gunzipSync');
    syncBuiltinESMExports();
    onTestFinished(() => {
      inflated.mockRestore();
      syncBuiltinESMExports();
    });
    const announced = encodeNifti(COUNTING);
    const path = join(temporaryFolder(), 'more.nii.gz');
    writeFileSync(path, gzipSync(Buffer.concat([announced, Buffer.alloc(64 * 1024 ** 2)])));
    expect([...(await readNifti(path)).data]).toEqual(COUNTING.data);
    await refused(
      'a.nii.gz',
      gzipSync(Buffer.concat([encodeNifti({ ...COUNTING, dims: [5, 4, 3, 2, 1, 900] }), Buffer.alloc(1e6)])),
      /5 axes/,
    );
    const bounds = inflated.mock.calls.map(([, options]) => options?.maxOutputLength);
    expect(bounds.filter((bound) => bound !== undefined)).toEqual([announced.length]);
    for (const { value } of inflated.mock.results.filter(({ type }) => type === 'return'))
      expect((value as unknown as { buffer: Buffer }).buffer.length).toBeLessThan(17 * 1024 ** 2);
  });

  it('names a place of the voxels that is none', async () => {
    for (const offset of [0, -352, 352.5, Number.NaN]) {
      const bytes = encodeNifti(COUNTING);
      bytes.writeFloatLE(offset, 108);
      await refused('a.nii', bytes, /voxels begin at byte/);
    }
  });

  it('names an image with more than three axes', async () => {
    await refused('a.nii', encodeNifti({ ...COUNTING, dims: [4, 4, 3, 1, 2] }), /four axes: 2 volumes/);
    await refused('a.nii', encodeNifti({ ...COUNTING, dims: [5, 4, 3, 1, 1, 2] }), /5 axes \[4, 3, 1, 1, 2\]/);
  });

  it('names a header whose dimensions make no image', async () => {
    for (const dims of [
      [0, 4, 3, 2],
      [1, 24],
      [8, 4, 3, 2],
      [3, 4, 0, 2],
      [3, 4, -3, 2],
      [-3, 4, 3, 2],
    ])
      await refused('a.nii', encodeNifti({ ...COUNTING, dims }), /dimensions/);
  });

  it('names a spacing of zero or of no number', async () => {
    for (const bad of [0, Number.NaN, Number.POSITIVE_INFINITY]) {
      for (const spacing of [
        [bad, 1, 1],
        [1, bad, 1],
        [1, 1, bad],
      ])
        await refused('a.nii', encodeNifti({ ...COUNTING, spacing }), /spacing .* is not positive/);
    }
    await refused('a.nii', encodeNifti({ shape: [2, 2], data: [1, 2, 3, 4], spacing: [0, 1] }), /spacing .* is not positive/);
  });

  it('names a file that is no NIfTI image', async () => {
    await refused('a.nii', Buffer.from('not an image at all'), /no NIfTI header/);
    await refused('a.nii', Buffer.alloc(4096, 7), /no NIfTI header/);
    await refused('a.nii', Buffer.alloc(0), /no NIfTI header/);
    await refused('a.nii', encodeNifti(COUNTING).subarray(0, 300), /no NIfTI header/);
    await refused('a.nii.gz', gzipSync(Buffer.from('not an image at all')), /no NIfTI header/);
  });

  it('names the header half of a two-file image', async () => {
    const bytes = encodeNifti(COUNTING);
    bytes.write('ni1\0', 344, 'latin1');
    await refused('a.nii', bytes, /single-file/);
  });

  it('names complex, colour and unknown datatypes', async () => {
    for (const datatypeCode of [0, 1, 32, 128, 1536, 1792, 2304, 77])
      await refused('a.nii', encodeNifti({ ...COUNTING, datatypeCode }), new RegExp(`datatype code ${datatypeCode} `));
  });
});

describe('files that cannot be read', () => {
  it('names a file that is not there', async () => {
    const path = join(temporaryFolder(), 'gone.nii.gz');
    await expect(readNifti(path)).rejects.toMatchObject({ name: 'FileError', code: 'VOXFEED_FILE', where: path });
  });

  it('names a folder in the place of a file', async () => {
    const path = join(temporaryFolder(), 'folder.nii.gz');
    mkdirSync(path);
    await expect(readNifti(path)).rejects.toMatchObject({ name: 'FileError', where: path, what: expect.stringContaining('EISDIR') });
  });
});
