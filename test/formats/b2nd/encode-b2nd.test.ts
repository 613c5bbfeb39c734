import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type Triple, voxels } from '../../../src/common/geometry.ts';
import { divide } from '../../../src/formats/b2nd/block-shape.ts';
import { encodeB2nd } from '../../../src/formats/b2nd/encode-b2nd.ts';
import type { WrittenArray } from '../../../src/formats/b2nd/encode-chunk.ts';
import { readArray } from '../../../src/store/whole-array.ts';
import { temporaryFolder } from '../../fixtures/temporary-folder.ts';

/** Files that python-blosc2 4.14.1 wrote with LZ4HC at level 5, four threads and the one filter that makes them smaller. */
const LABELS = `
9ea862326672616d6500d2000000cbcf000000000000026aa412005202d30000000000000100d3000000000000013cd200000002d200000020d20000
0040d10004d10001c2d8060000000000000200000000000000000093cd0011de0001a462326e64d20000006bdc0001c60000005b97000494d3000000
0000000001d30000000000000003d30000000000000004d3000000000000000594d200000001d200000002d200000004d20000000494d200000001d2
00000002d200000002d20000000400db000000033c69320501350240000000200000004c00000000000000000002000000000000000000280000003a
0000000e0000001bff0100160001005000000000000e0000001bff010016000100500000000000050135024000000020000000540000000000000000
0002000000000000000000280000003e0000001200000031ffff0001000408000701005000000000001200000031ffff000100040800070100500000
0000000501350240000000200000004c00000000000000000002000000000000000000280000003a0000000e0000002a010002000701005000000000
000e0000002a010002000701005000000000000501350240000000200000005000000000000000000002000000000000000000280000003c00000010
00000022010001002d010001005000000000001000000022010001002d01000100500000000000050117082000000020000000400000000000000000
010000000000000000000000000000000000004c00000000000000a000000000000000ec00000000000000940193cd0006de0000dc0000ce00000023
d80000000000000000000000000000000000`;
const IMAGE = `
9ea862326672616d6500d2000000cbcf00000000000001c3a412005202d30000000000000400d300000000000000a5d200000004d200000080d20000
0200d10004d10001c2d8060100000000000200000000000000000093cd0011de0001a462326e64d20000006bdc0001c60000005b97000494d3000000
0000000001d30000000000000003d30000000000000008d3000000000000000894d200000001d200000002d200000008d20000000894d200000001d2
00000001d200000004d20000000800db000000033c6634050135040002000080000000a5000000010000000000020000000000000000003000000034
00000038000000710000000000000000000000350000001f0001002df11380004080a0c0e0001020304050607080889098a0a8b0b8c0c8d0d8e0e8f0
f8003e3f01001e400100504040404040300000001f0001002dff1104080c1014181c2024282c3034383c4044484c5054585c6064686c7074787c4101
0007504141414141050107081000000010000000300000000000000000010000000000000000000000000000000000000000000000000081940193cd
0006de0000dc0000ce00000023d80000000000000000000000000000000000`;
const ZEROS = `
9ea862326672616d6500d2000000cbcf000000000000011ea412005202d30000000000000060d30000000000000000d200000002d200000030d20000
0030d10004d10001c2d8060000000000000200000000000000000093cd0011de0001a462326e64d20000006bdc0001c60000005b97000494d3000000
0000000002d30000000000000002d30000000000000003d3000000000000000494d200000001d200000002d200000003d20000000494d200000001d2
00000002d200000003d20000000400db000000033c693205010708100000001000000030000000000000000001000000000000000000000000000000
0000810000000000000081940193cd0006de0000dc0000ce00000023d80000000000000000000000000000000000`;
const NOISE = `
9ea862326672616d6500d2000000cbcf0000000000000176a412005202d30000000000000040d30000000000000060d200000004d200000020d20000
0040d10004d10001c2d8060000000000000200000000000000000093cd0011de0001a462326e64d20000006bdc0001c60000005b97000494d3000000
0000000001d30000000000000002d30000000000000002d3000000000000000494d200000001d200000002d200000002d20000000494d200000001d2
00000001d200000002d20000000400db000000033c66340501370440000000200000006000000000000000000002000000000000000000ac0a7f8c2f
aac49775a616b7c0cc21d843b34e9afb52a2dbc3767d8b677de5d809a4746cd3dea19f155159a5f2d6666224b70570573a2b4c463c4be4d8bd840e05
010708080000000800000028000000000000000001000000000000000000000000000000000000940193cd0006de0000dc0000ce00000023d8000000
0000000000000000000000000000`;

const noise = Uint32Array.of(
  2357136044,
  2546248239,
  3071714933,
  3626093760,
  2588848963,
  3684848379,
  2340255427,
  3638918503,
  1819583497,
  2678185683,
  2774094101,
  1650906866,
  1879422756,
  1277901399,
  3830135878,
  243580376,
);

const CASES: Record<string, [WrittenArray, string]> = {
  'int16 in chunks that hang over': [
    {
      channels: [Int16Array.from({ length: 60 }, (_, i) => Math.floor(i / 20) - 1)],
      shape: [3, 4, 5],
      dtype: '<i2',
      division: { chunk: [2, 4, 4], block: [2, 2, 4] },
    },
    LABELS,
  ],
  'int8 as int16': [
    {
      channels: [Int8Array.from({ length: 60 }, (_, i) => Math.floor(i / 20) - 1)],
      shape: [3, 4, 5],
      dtype: '<i2',
      division: { chunk: [2, 4, 4], block: [2, 2, 4] },
    },
    LABELS,
  ],
  'float32, shuffled, with a chunk of zeros': [
    {
      channels: [Float32Array.from({ length: 192 }, (_, i) => (Math.floor(i / 64) === 1 ? (i % 64) / 4 : 0))],
      shape: [3, 8, 8],
      dtype: '<f4',
      division: { chunk: [2, 8, 8], block: [1, 4, 8] },
    },
    IMAGE,
  ],
  'two channels of zeros': [
    { channels: [new Int8Array(24), new Int8Array(24)], shape: [2, 3, 4], dtype: '<i2', division: { chunk: [2, 3, 4], block: [2, 3, 4] } },
    ZEROS,
  ],
  'noise, which is stored as it is': [
    { channels: [new Float32Array(noise.buffer)], shape: [2, 2, 4], dtype: '<f4', division: { chunk: [2, 2, 4], block: [1, 2, 4] } },
    NOISE,
  ],
};

test.each(Object.entries(CASES))('%s: byte for byte as Blosc writes them', (_, [array, file]) => {
  expect(Buffer.concat(encodeB2nd(array)).toString('hex')).toBe(file.replaceAll('\n', ''));
});

/** Voxels of many kinds: smooth, whole numbers, zeros, noise, in parts of the volume. */
function voxelsOf(shape: Triple, channel: number): Float32Array {
  const [, height, width] = shape;
  return Float32Array.from({ length: voxels(shape) }, (_, i) => {
    const [z, y, x] = [Math.floor(i / (height * width)), Math.floor(i / width) % height, i % width];
    const kind = (Math.floor(z / 9) + Math.floor(y / 20) + channel) % 4;
    return [Math.sin(x / 7) * Math.cos(y / 5 + z), (x + y) % 5, 0, Math.imul(i + 1, 2654435761) / 2 ** 20][kind];
  });
}

const ODD: [shape: Triple, patch: number[]][] = [
  [
    [40, 50, 37],
    [16, 24, 20],
  ],
  [
    [5, 90, 130],
    [40, 64],
  ],
  [
    [1, 1, 1],
    [8, 8, 8],
  ],
  [
    [33, 65, 129],
    [128, 128, 128],
  ],
];

test.each(ODD.flatMap(([shape, patch]) => (['lz4hc', 'zstd'] as const).map((codec) => [shape, patch, codec] as const)))(
  '%j for patches of %j, by %s: the voxels come back, in every channel',
  (shape, patch, codec) => {
    const channels = [0, 1].map((channel) => voxelsOf(shape, channel));
    const labels = Int8Array.from(channels[0], (value) => Math.round(value) & 3);
    const dir = temporaryFolder();
    for (const [name, array] of [
      ['image.b2nd', { channels, shape, dtype: '<f4', division: divide(shape, patch, 4), codec }],
      ['labels.b2nd', { channels: [labels], shape, dtype: '<i2', division: divide(shape, patch, 2), codec }],
    ] as [string, WrittenArray][]) {
      writeFileSync(join(dir, name), Buffer.concat(encodeB2nd(array)));
      const { dtype, data } = readArray(join(dir, name), 'b2nd', 'data');
      expect(dtype).toBe(array.dtype);
      expect(Buffer.from(data.buffer)).toEqual(
        Buffer.concat(
          array.channels.map((channel) => Buffer.from(dtype === '<f4' ? channel.slice().buffer : Int16Array.from(channel).buffer)),
        ),
      );
    }
  },
);
