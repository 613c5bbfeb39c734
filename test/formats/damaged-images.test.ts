import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32, deflateSync, gunzipSync, gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { readVolumeHead, readVolumes } from '../../src/raw/read-volumes.ts';
import { type Reader, readersFor } from '../../src/raw/readers.ts';
import { writeImage } from '../fixtures/image-file.ts';
import { temporaryFolder } from '../fixtures/temporary-folder.ts';

const DATA = Uint8Array.from({ length: 6 * 8 * 10 }, (_, i) => (i * 37) % 251);
const STACKS = ['nrrd', 'mha', 'gipl', 'tiff'];
const FLAT = ['png', 'bmp', 'tif'];

function make(ending: string, change: (bytes: Buffer) => Buffer = (bytes) => bytes): string {
  const path = join(temporaryFolder(), `a_0000.${ending}`);
  writeImage(path, FLAT.includes(ending) ? DATA.slice(0, 80) : DATA, FLAT.includes(ending) ? [8, 10] : [6, 8, 10]);
  writeFileSync(path, change(readFileSync(path)));
  return path;
}

const readerOf = (path: string): Reader => readersFor(`.${path.split('.').at(-1)}`)[0];
const read = (path: string) => readVolumes(path, { reader: readerOf(path), channels: 1, notes: [] });
const refused = (path: string, what: string | RegExp = /\S/) =>
  expect(read(path)).rejects.toMatchObject({
    name: 'CaseError',
    where: path,
    what: expect.stringMatching(what),
    action: expect.stringMatching(/\S/),
  });

describe.each([...STACKS, ...FLAT])('a .%s file', (ending) => {
  it('is read where nothing is wrong with it', async () => {
    const [{ data }] = await read(make(ending));
    expect([...data]).toEqual([...(FLAT.includes(ending) ? DATA.slice(0, 80) : DATA)]);
  });

  it.each(['', 'hello '.repeat(100)])('is refused where it holds something else: %j', async (text) => {
    await refused(make(ending, () => Buffer.from(text)));
  });

  it('is refused where it is cut off', async () => {
    const path = make(ending);
    const { length } = readFileSync(path);
    for (const part of [0.99, 0.7, 0.3]) {
      truncateSync(path, Math.floor(part * length));
      await refused(path);
    }
  });

  it('that is not there is a FileError', async () => {
    const path = join(temporaryFolder(), `none.${ending}`);
    await expect(read(path)).rejects.toMatchObject({ name: 'FileError', where: path });
  });

  it('gives an error with its name or an image, whatever bits are flipped', async () => {
    const path = make(ending);
    const whole = readFileSync(path);
    for (let i = 0; i < 150; i++) {
      const bytes = Buffer.from(whole);
      // Headers come first, where the damage is worst.
      const at = (i * 7919) % (i % 2 === 0 ? Math.min(200, bytes.length) : bytes.length);
      bytes[at] ^= 1 << (i % 8);
      writeFileSync(path, bytes);
      const found = await read(path).catch((error) => error);
      if (found instanceof Error) expect(found).toMatchObject({ name: expect.stringMatching(/^(Case|Memory)Error$/), where: path });
      else expect(found[0].data.length).toBe(found[0].shape.reduce((product: number, size: number) => product * size, 1));
    }
  });
});

describe('a header that announces more than there is', () => {
  it.each([
    ['nrrd', (bytes: Buffer) => bytes.toString('latin1').replace('sizes: 10 8 6', 'sizes: 90000 90000 90000')],
    ['mha', (bytes: Buffer) => bytes.toString('latin1').replace('DimSize = 10 8 6', 'DimSize = 90000 90000 90000')],
    ['gipl', (bytes: Buffer) => `\xff\xff\xff\xff\xff\xff${bytes.toString('latin1').slice(6)}`],
    ['bmp', (bytes: Buffer) => `${bytes.toString('latin1', 0, 18)}\xff\xff\xff\x70\xff\xff\xff\x70${bytes.toString('latin1', 26)}`],
    ['png', (bytes: Buffer) => `${bytes.toString('latin1', 0, 16)}\x7f\xff\xff\xff\x7f\xff\xff\xff${bytes.toString('latin1', 24)}`],
  ])('is refused before there is room for it, by its head alone, too: .%s', async (ending, change) => {
    const path = make(ending, (bytes) => Buffer.from(change(bytes), 'latin1'));
    await refused(path, /header announces \d+ bytes of voxels .* the file holds/);
    await expect(readVolumeHead(path, readerOf(path))).rejects.toMatchObject({ name: 'CaseError', where: path });
  });

  it('is refused for its memory where a packed file may be that long: .tiff', async () => {
    // Pages of 2^30 by 2^30, LZW.
    const path = make('tiff', (bytes) => {
      const directory = bytes.readUInt32LE(4);
      for (let entry = directory + 2; entry < directory + 2 + 12 * bytes.readUInt16LE(directory); entry += 12) {
        const tag = bytes.readUInt16LE(entry);
        if (tag === 256 || tag === 257) bytes.writeUInt32LE(2 ** 30, entry + 8);
        if (tag === 259) bytes.writeUInt32LE(5, entry + 8);
      }
      return bytes;
    });
    await expect(read(path)).rejects.toMatchObject({ name: 'MemoryError', where: path });
  });
});

describe('what SimpleITK overlooks', () => {
  it.each(['nrrd', 'mha'])('is refused: packed voxels that are damaged (.%s), which it makes zeros of', async (ending) => {
    const path = make(ending, (bytes) => {
      bytes.fill(0, bytes.length - 60, bytes.length - 40);
      return bytes;
    });
    await refused(path, /damaged or cut off/);
  });

  const GIPL = (bytes: Buffer) => Buffer.concat([bytes, Buffer.from('more')]);
  const NRRD = 'NRRD0004\ntype: uint8\ndimension: 3\nsizes: 2 2 2\nencoding: gzip\n\n';
  const MHA = 'NDims = 3\nCompressedData = True\nDimSize = 2 2 2\nElementType = MET_UCHAR\nElementDataFile = LOCAL\n';
  const long = Uint8Array.from({ length: 900 }, (_, i) => i % 251);
  const packed =
    (head: string, pack: (bytes: Uint8Array) => Buffer, more = '') =>
    () =>
      Buffer.concat([Buffer.from(head), pack(more === '' ? long : long.subarray(0, 8)), Buffer.from(more)]);

  it.each<[string, (bytes: Buffer) => Buffer, string | null]>([
    ['gipl', GIPL, '4 bytes follow the image: left out'],
    ['nrrd', packed(NRRD, gzipSync), 'further bytes follow the image: left out'],
    ['mha', packed(MHA, deflateSync), 'further bytes follow the image: left out'],
    ['nrrd', packed(NRRD, gzipSync, 'more text'), '9 bytes follow the gzip data: left out'],
    ['mha', packed(MHA, deflateSync, 'more text'), null],
  ])('is no fault: bytes after the image, of which there may be a note (.%s)', async (ending, change, note) => {
    const path = make(ending, change);
    const notes: string[] = [];
    const [{ data }] = await readVolumes(path, { reader: 'SimpleITKIO', channels: 1, notes });
    expect([...data.slice(0, 8)]).toEqual([...(ending === 'gipl' ? DATA : long).slice(0, 8)]);
    expect(notes).toEqual(note === null ? [] : [`${path}: ${note}`]);
  });
});

describe('what a store could not hold, or memory', () => {
  it('an origin that is no number is refused', async () => {
    await refused(
      make('gipl', (bytes) => {
        bytes.writeDoubleBE(Number.NaN, 204);
        return bytes;
      }),
      'the origin or a direction in its header is NaN or infinite',
    );
  });

  it('a PNG that inflates to more than its header announces is refused before it has', async () => {
    const path = make('png', (bytes) => {
      const chunk = (type: string, data: Buffer): Buffer => {
        const [head, tail] = [Buffer.alloc(8), Buffer.alloc(4)];
        head.writeUInt32BE(data.length);
        head.write(type, 4, 'latin1');
        tail.writeUInt32BE(crc32(Buffer.concat([head.subarray(4), data])));
        return Buffer.concat([head, data, tail]);
      };
      const bomb = deflateSync(Buffer.alloc(64 * 1024 * 1024));
      // The signature and IHDR are the first 33 bytes.
      return Buffer.concat([bytes.subarray(0, 33), chunk('IDAT', bomb), chunk('IEND', Buffer.alloc(0))]);
    });
    await refused(path, /Cannot create a Buffer larger than/);
  });
});

describe('refused with what to do', () => {
  const text = (path: string, from: string | RegExp, to: string): string => {
    writeFileSync(path, Buffer.from(readFileSync(path).toString('latin1').replace(from, to), 'latin1'));
    return path;
  };

  it.each<[string, string | RegExp, string, string]>([
    ['nrrd', 'encoding: gzip', 'encoding: bzip2', 'its encoding is bzip2'],
    ['nrrd', 'type: uint8', 'type: block', 'its type block is not a single real number per voxel'],
    ['nrrd', 'encoding: gzip', 'encoding: gzip\ndata file: other.raw', 'its voxels lie in another file'],
    ['nrrd', 'kinds: domain', 'kinds: list', 'it has 10 numbers a voxel'],
    ['nrrd', /space directions: \([^)]*\)/, 'space directions: (0,0,0)', 'the voxel spacing .* is not positive'],
    ['nrrd', 'type: uint8\n', '', 'its header has no field "type"'],
    ['mha', 'ElementDataFile = LOCAL', 'ElementDataFile = other.raw', 'its voxels lie in another file, other.raw'],
    ['mha', 'MET_UCHAR', 'MET_LONG', 'its ElementType MET_LONG is not known here'],
    ['mha', 'ElementType', 'ElementNumberOfChannels = 3\nElementType', 'it has 3 numbers a voxel'],
    ['mha', 'DimSize = 10 8 6', 'DimSize = 10 8', 'its DimSize has 2 sizes, NDims is 3'],
    ['mha', /ElementSpacing = .*\n/, 'ElementSpacing = 0 1 1\n', 'the voxel spacing .* is not positive'],
  ])('.%s with %j as %j', async (ending, from, to, what) => {
    await refused(text(make(ending), from, to), what);
  });

  it('numbers that are none, which ITK leaves as they are in these formats', async () => {
    const path = join(temporaryFolder(), 'a.mha');
    const head = 'NDims = 2\nDimSize = 2 2\nElementType = MET_FLOAT\nElementDataFile = LOCAL\n';
    writeFileSync(path, Buffer.concat([Buffer.from(head), Buffer.from(Float32Array.of(1, Number.NaN, 3, 4).buffer)]));
    await refused(path, /^1 voxels are NaN or infinite, the first at voxel \[0, 0, 1\]/);
  });

  it('a TIFF whose note speaks of more images than it has pages, as ImageJ writes large ones', async () => {
    await refused(text(make('tiff'), '{"shape": [6, 8, 10]}', '{"shape": [9, 8, 10]}'), 'its note speaks of 9 images, it has 6 pages');
  });
});

it('the recorded files are those of every format', () => {
  const files = JSON.parse(gunzipSync(readFileSync(join(import.meta.dirname, '../raw/recorded-formats.json.gz'))).toString());
  expect(new Set(files.map(({ ending }: { ending: string }) => ending))).toEqual(
    new Set(['.nrrd', '.mha', '.gipl', '.png', '.bmp', '.tif', '.tiff']),
  );
});
