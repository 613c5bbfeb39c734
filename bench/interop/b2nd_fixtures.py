"""Writes the .b2nd files that test/formats/b2nd reads: small ones by python-blosc2, of every codec, filter and kind of chunk.

    python bench/interop/b2nd_fixtures.py test/formats/b2nd/files

Voxels follow from their place by a rule that the tests know, too, so that no second copy of them is needed; manifest.json says for each
file its shape, dtype and rule, or the words of the error it is refused with. Needs blosc2 in a virtual environment of its own.
"""
import json
import shutil
import sys
from pathlib import Path

import blosc2
import numpy as np
from blosc2 import Codec, Filter, SplitMode

out = Path(sys.argv[1])
shutil.rmtree(out, ignore_errors=True)
out.mkdir(parents=True)
manifest = {}

SHAPE, CHUNK, BLOCK = (1, 8, 18, 17), (1, 6, 13, 11), (1, 4, 6, 8)


def plain(shape, dtype):
    """Steps, so that codecs find something, and now and then a jump."""
    i = np.arange(np.prod(shape), dtype=np.int64).reshape(shape)
    value = (i // 19) % 97 + np.where(i % 41 == 0, (i * i) % 31, 0)
    return (value - 3).astype(dtype) if np.dtype(dtype).kind != 'u' else (value + 100).astype(dtype)


def sparse(shape, dtype):
    """Nothing but a slab at the end of the last axis."""
    a = plain(shape, dtype)
    a[..., : shape[-1] - 4] = 0
    return a


def random(shape, dtype):
    """Nothing that a codec finds anything in."""
    i = np.arange(np.prod(shape), dtype=np.uint64).reshape(shape)
    mixed = (i * np.uint64(2654435761)) % np.uint64(2**32)
    mixed ^= mixed >> np.uint64(15)
    return ((mixed * np.uint64(2246822519)) % np.uint64(2**32)).astype(np.uint32).view(np.int32).astype(dtype)


SMALL = dict(shape=(1, 6, 10, 11), chunks=(1, 6, 7, 11), blocks=(1, 3, 7, 8))
RULES = {'plain': plain, 'sparse': sparse, 'random': random}


def write(name, rule='plain', shape=SHAPE, dtype='<f4', chunks=CHUNK, blocks=BLOCK, refused=None, **cparams):
    array = RULES[rule](shape, dtype)
    cparams = {'nthreads': 1, 'clevel': 5, **cparams}
    blosc2.asarray(array, urlpath=str(out / f'{name}.b2nd'), mode='w', chunks=chunks, blocks=blocks, cparams=cparams)
    note(name, array.shape, array.dtype.str, rule, refused)


def note(name, shape, dtype, rule, refused=None):
    written = blosc2.open(str(out / f'{name}.b2nd'))
    manifest[name] = {'shape': list(shape), 'dtype': dtype, 'rule': rule, 'chunk': list(written.chunks), 'block': list(written.blocks)}
    if refused:
        manifest[name]['refused'] = refused


FILTERS = {
    'none': [Filter.NOFILTER],
    'shuffle': [Filter.SHUFFLE],
    'bits': [Filter.BITSHUFFLE],
}
for codec in (Codec.BLOSCLZ, Codec.LZ4, Codec.LZ4HC, Codec.ZLIB, Codec.ZSTD):
    for filter_name, filters in FILTERS.items():
        if filter_name == 'bits' and codec not in (Codec.LZ4, Codec.ZSTD):
            continue
        write(f'{codec.name.lower()}-{filter_name}', codec=codec, filters=filters)
write('zstd-8', codec=Codec.ZSTD, clevel=8)
# By default streams of these are split: one for each byte of an element.
for codec in (Codec.LZ4, Codec.ZSTD, Codec.BLOSCLZ):
    write(f'{codec.name.lower()}-whole', codec=codec, filters=[Filter.SHUFFLE], splitmode=SplitMode.NEVER_SPLIT)
write('bytedelta', codec=Codec.ZSTD, filters=[Filter.SHUFFLE, Filter.BYTEDELTA], filters_meta=[0, 4])
write('truncated', **SMALL, codec=Codec.LZ4, filters=[Filter.TRUNC_PREC, Filter.SHUFFLE], filters_meta=[16, 0])
write('grouped-shuffle', **SMALL, codec=Codec.LZ4, filters=[Filter.SHUFFLE], filters_meta=[2])
for dtype in ('<i2', '|i1', '|u1'):
    for codec, filters in ((Codec.LZ4HC, [Filter.NOFILTER]), (Codec.LZ4HC, [Filter.SHUFFLE]), (Codec.ZSTD, [Filter.BITSHUFFLE])):
        write(f'{dtype[1:]}-{codec.name.lower()}-{filters[0].name.lower()}', dtype=dtype, codec=codec, filters=filters)
write('f8', **SMALL, dtype='<f8', codec=Codec.LZ4HC, filters=[Filter.SHUFFLE])
write('f2', **SMALL, dtype='<f2', codec=Codec.LZ4HC, filters=[Filter.SHUFFLE])

CHANNELS = (3, 7, 12, 10)
write('channels-apart', shape=CHANNELS, chunks=(1, 7, 12, 10), blocks=(1, 4, 8, 8), codec=Codec.LZ4HC, filters=[Filter.SHUFFLE])
write('channels-together', shape=CHANNELS, chunks=(3, 6, 8, 8), blocks=(3, 3, 4, 8), codec=Codec.ZSTD, clevel=8)
write('channels-in-pairs', shape=CHANNELS, chunks=(2, 7, 9, 10), blocks=(2, 4, 5, 3), codec=Codec.LZ4HC, filters=[Filter.SHUFFLE])
write('three-axes', shape=(7, 12, 10), dtype='|u1', chunks=(5, 12, 6), blocks=(2, 8, 4))
write('five-axes', shape=(2, 2, 3, 4, 5), chunks=(1, 2, 3, 4, 5), blocks=(1, 1, 3, 2, 5))
write('one-voxel', shape=(1, 1, 1, 1), chunks=(1, 1, 1, 1), blocks=(1, 1, 1, 1))

write('sparse', rule='sparse', codec=Codec.LZ4HC, filters=[Filter.SHUFFLE])
write('sparse-labels', rule='sparse', dtype='<i2', codec=Codec.LZ4HC, filters=[Filter.NOFILTER])
write('incompressible', rule='random', **SMALL, codec=Codec.LZ4HC, filters=[Filter.SHUFFLE])
write('level-0', **SMALL, clevel=0)
write('no-filters-level-0', **SMALL, clevel=0, filters=[Filter.NOFILTER])

special = dict(chunks=CHUNK, blocks=BLOCK, mode='w')
blosc2.zeros(SHAPE, dtype='<f4', urlpath=str(out / 'zeros.b2nd'), **special)
note('zeros', SHAPE, '<f4', 'zeros')
blosc2.nans(SHAPE, dtype='<f4', urlpath=str(out / 'nan.b2nd'), **special)
note('nan', SHAPE, '<f4', 'nan')
blosc2.full(SHAPE, 3.5, dtype='<f4', urlpath=str(out / 'repeated.b2nd'), **special)
note('repeated', SHAPE, '<f4', 'repeated')
blosc2.uninit(SHAPE, dtype='<i2', urlpath=str(out / 'uninitialised.b2nd'), **special)
note('uninitialised', SHAPE, '<i2', 'zeros')
# A part of them is written afterwards: the places of chunks are no longer in order.
overwritten = blosc2.zeros(SHAPE, dtype='<f4', urlpath=str(out / 'overwritten.b2nd'), **special, cparams={'nthreads': 1})
values = plain(SHAPE, '<f4')
for z, y, x in ((6, 13, 11), (0, 0, 0), (6, 0, 11), (0, 13, 0), (6, 13, 0), (0, 13, 11), (6, 0, 0), (0, 0, 11)):
    corner = np.s_[:, z : z + 6, y : y + 13, x : x + 11]
    overwritten[corner] = np.ascontiguousarray(values[corner])
note('overwritten', SHAPE, '<f4', 'plain')


def out_of_order(path):
    """Whether a later block of a chunk lies before an earlier one."""
    frame = path.read_bytes()
    start = int.from_bytes(frame[11:15], 'big')
    blocks = int.from_bytes(frame[start + 4 : start + 8], 'little') // int.from_bytes(frame[start + 8 : start + 12], 'little')
    starts = np.frombuffer(frame, '<i4', blocks, start + 32)
    return bool((np.diff(starts) < 0).any())


for _ in range(1000):
    write('threads', shape=(1, 24, 32, 32), chunks=(1, 24, 32, 32), blocks=(1, 8, 8, 16), codec=Codec.ZSTD, filters=[Filter.SHUFFLE], nthreads=4)
    if out_of_order(out / 'threads.b2nd'):
        break
else:
    raise SystemExit('the blocks of threads.b2nd are in order')

write('delta', **SMALL, filters=[Filter.DELTA, Filter.SHUFFLE], codec=Codec.LZ4, refused='was filtered by delta')
write('dictionary', shape=(1, 8, 32, 32), chunks=(1, 8, 32, 32), blocks=(1, 4, 16, 16), codec=Codec.ZSTD, use_dict=True, refused='dictionary')
write('ndmean', filters=[Filter.NDMEAN], filters_meta=[4], codec=Codec.LZ4, shape=(1, 8, 8, 8), chunks=(1, 8, 8, 8), blocks=(1, 4, 4, 4), refused='was filtered by ndmean')

lines = ',\n'.join(f'{json.dumps(name)}: {json.dumps(entry)}' for name, entry in manifest.items())
(out / 'manifest.json').write_text(f'{{\n{lines}\n}}\n')
sizes = [file.stat().st_size for file in out.iterdir()]
print(f'{len(sizes)} files, {sum(sizes)} bytes')
