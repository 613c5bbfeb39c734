"""Records what nnU-Net's readers make of small files of every format but NIfTI, for test/raw/recorded-formats.test.ts.

usage: formats.py OUT.json.gz [COUNT [SEED]]   (needs nnunetv2, SimpleITK, scikit-image, tifffile, imagecodecs, scipy; COUNT a format)
"""
import base64, bz2, gzip, json, os, struct, sys, tempfile, zlib
import imagecodecs
import numpy as np
import SimpleITK as sitk
import tifffile
from nnunetv2.imageio.natural_image_reader_writer import NaturalImage2DIO
from nnunetv2.imageio.simpleitk_reader_writer import SimpleITKIO, SimpleITKIOWithReorient
from nnunetv2.imageio.tif_reader_writer import Tiff3DIO
from PIL import Image
from readers import read, rotation
from skimage import io

ITK = [SimpleITKIO, SimpleITKIOWithReorient]
READERS = {'.nrrd': ITK, '.mha': ITK, '.gipl': ITK, '.png': [NaturalImage2DIO], '.bmp': [NaturalImage2DIO],
           '.tif': [NaturalImage2DIO, Tiff3DIO], '.tiff': [Tiff3DIO]}
TYPES = ['uint8', 'int8', 'int16', 'uint16', 'int32', 'uint32', 'int64', 'uint64', 'float32', 'float64']


def numbers(rng, shape, dtype):
    values = rng.normal(0, 90, shape)
    if dtype[0] == 'u':
        values = abs(values)
    if dtype == 'int8':
        values = values.clip(-128, 127)
    values = (values % 256 if dtype == 'uint8' else values).astype(dtype)
    if dtype[0] == 'f' and rng.random() < 0.2:
        values.flat[:3] = np.nan, np.inf, -np.inf
    return values


def by_sitk(rng, path, pick):
    """Written by SimpleITK, any place."""
    dtype, axes = pick(*TYPES), int(pick(2, 3, 3, 3, 3, 4))
    vector = rng.random() < 0.08
    image = sitk.GetImageFromArray(numbers(rng, [int(n) for n in rng.integers(2, 5, axes)] + [3] * vector, dtype), isVector=vector)
    turn = np.eye(axes)
    turn[:min(axes, 3), :min(axes, 3)] = rotation(rng) if axes > 2 else np.eye(2)[::int(pick(1, -1))]
    image.SetDirection(turn.ravel().tolist())
    image.SetSpacing(rng.choice([0.4, 1, 2.5, 400, 0.8, 1 / 3], axes).tolist())
    image.SetOrigin(rng.normal(0, 50, axes).tolist())
    packed = bool(pick(True, False))
    sitk.WriteImage(image, path, packed)
    return f'SimpleITK, {dtype}, {axes} axes{", vector" * vector}{", packed" * packed}'


def nrrd_by_hand(rng, path, pick):
    dtype = pick('signed char', 'uchar', 'short', 'unsigned short', 'int', 'uint32', 'longlong', 'uint64', 'float', 'double')
    numpy = dict(zip(['signed char', 'uchar', 'short', 'unsigned short', 'int', 'uint32', 'longlong', 'uint64', 'float', 'double'],
                     ['int8', 'uint8', 'int16', 'uint16', 'int32', 'uint32', 'int64', 'uint64', 'float32', 'float64']))[dtype]
    shape = [int(n) for n in rng.integers(2, 5, 3)]
    space = pick('left-posterior-superior', 'right-anterior-superior', 'LAS', 'RAS', 'LPS', 'left-anterior-superior', '3D-right-handed', 'scanner-xyz', None)
    encoding, order, newline = pick('raw', 'gzip', 'gz', 'ascii', 'txt', 'hex', 'bzip2'), pick('little', 'big'), pick('\n', '\n', '\r\n')
    place, kinds = pick('directions', 'directions', 'spacings', 'none'), pick(None, 'domain domain domain', 'space space space', 'stub', 'list')
    values = numbers(rng, shape[::-1], numpy)
    if kinds in ('stub', 'list'):
        first = 1 if kinds == 'stub' else 2
        values = np.stack([values] * first, -1)
    directions = [f'({",".join(map(repr, map(float, column)))})' for column in (rotation(rng) @ np.diag(rng.choice([0.5, 1, 3.3], 3))).T]
    if kinds in ('stub', 'list'):
        directions, shape, kinds = ['none'] + directions, [first] + shape, f'{kinds} domain domain domain'
    lines = [f'NRRD000{pick(4, 5)}', '# by hand', f'type: {dtype}', f'dimension: {len(shape)}']
    if place == 'directions':
        lines += [f'space: {space}' if space else 'space dimension: 3']
    lines += [f'sizes: {" ".join(map(str, shape))}']
    if place == 'directions':
        lines += [f'space directions: {" ".join(directions)}'] + [f'space origin: (1.5,-20,{rng.normal():.3f})'] * int(pick(0, 1))
    elif place == 'spacings':
        lines += [f'spacings: {" ".join(["NaN"] * (len(shape) - 3) + ["0.7", "1.25", "3"])}']
    if kinds:
        lines += [f'kinds: {kinds}']
    lines += [f'endian: {order}', f'encoding: {encoding}', 'Segment0_Name:=a: b', 'content: x']
    raw = values.astype(values.dtype.newbyteorder('<' if order == 'little' else '>')).tobytes()
    body = {'gz': gzip.compress, 'gzip': gzip.compress, 'raw': bytes, 'bzip2': bz2.compress, 'hex': lambda b: b.hex().encode()}.get(
        encoding, lambda b: ' '.join(repr(value.item()) for value in values.ravel()).encode())(raw)
    with open(path, 'wb') as out:
        out.write(newline.join(lines + ['', '']).encode() + body + b'more' * int(pick(0, 0, 1)) * (encoding == 'raw'))
    return f'by hand, {dtype}, {space}, {encoding}, {order}, {place}, kinds {kinds}'


def mha_by_hand(rng, path, pick):
    names = {'MET_CHAR': 'int8', 'MET_UCHAR': 'uint8', 'MET_SHORT': 'int16', 'MET_USHORT': 'uint16', 'MET_INT': 'int32', 'MET_UINT': 'uint32',
             'MET_LONG_LONG': 'int64', 'MET_ULONG_LONG': 'uint64', 'MET_FLOAT': 'float32', 'MET_DOUBLE': 'float64'}
    kind = pick(*names)
    shape = [int(n) for n in rng.integers(2, 5, 3)]
    values = numbers(rng, shape[::-1], names[kind])
    big, packed, text = bool(pick(0, 1)), bool(pick(0, 1)), bool(pick(0, 0, 0, 1))
    raw = values.astype(values.dtype.newbyteorder('>' if big else '<')).tobytes()
    lines = ['ObjectType = Image', 'NDims = 3', f'BinaryData = {not text}', f'{pick("BinaryDataByteOrderMSB", "ElementByteOrderMSB")} = {big}']
    if packed and not text:
        lines += ['CompressedData = True', f'CompressedDataSize = {len(zlib.compress(raw))}']
    if pick(0, 1, 1):
        lines += [f'{pick("TransformMatrix", "Orientation", "Rotation")} = {" ".join(map(repr, map(float, rotation(rng).T.ravel())))}']
    if pick(0, 1, 1):
        lines += [f'{pick("Offset", "Position", "Origin")} = 1.5 -20 {rng.normal():.3f}']
    if pick(0, 1):
        lines += ['AnatomicalOrientation = RAS']
    lines += pick([], ['ElementSpacing = 0.7 1.25 3'], ['ElementSize = 0.7 1.25 3'], ['ElementSpacing = 0.7 1.25 3', 'ElementSize = 1 2 3'])
    lines += [f'DimSize = {" ".join(map(str, shape))}', f'ElementType = {kind}', f'ElementDataFile = {pick("LOCAL", "Local")}', '']
    body = (' '.join(repr(value.item()) for value in values.ravel()) + '\n').encode() if text else zlib.compress(raw) if packed else raw
    with open(path, 'wb') as out:
        out.write('\n'.join(lines).encode() + body)
    return 'by hand, ' + '; '.join(lines[3:-2])


def gipl_by_hand(rng, path, pick):
    kind = int(pick(7, 8, 15, 16, 64, 65, 31, 32, 1))
    shape = [int(n) for n in rng.integers(2, 5, 3)]
    values = numbers(rng, shape[::-1], {7: 'int8', 8: 'uint8', 15: 'int16', 16: 'uint16', 64: 'float32', 65: 'float64', 31: 'uint32', 32: 'int32', 1: 'uint8'}[kind])
    last = int(pick(0, 1))
    head = bytearray(256)
    struct.pack_into('>4H', head, 0, *shape, last)
    struct.pack_into('>H4f', head, 8, kind, 0.7, 1.25, 3, 1)
    struct.pack_into('>4d', head, 204, 1.5, -20, 3, 0)
    struct.pack_into('>I', head, 252, int(pick(0xefffe9b0, 0x2ae389b8)))
    with open(path, 'wb') as out:
        out.write(bytes(head) + values.astype(values.dtype.newbyteorder('>')).tobytes())
    return f'by hand, type {kind}, last size {last}'


def png(rng, path, pick):
    height, width = (int(n) for n in rng.integers(2, 12, 2))
    kind = pick('gray', 'gray 16', 'colours', 'alpha', 'palette', 'palette with alpha', 'bits', 'gray and alpha', 'colours 16', 'alpha 16', 'packed gray')
    draw = lambda *more: rng.integers(0, 65536 if '16' in kind else 256, (height, width, *more)).astype('uint16' if '16' in kind else 'uint8')
    if kind.startswith('palette'):
        bits = int(pick(1, 2, 4, 8))
        image = Image.fromarray(rng.integers(0, 2 ** bits, (height, width)).astype('uint8'), 'P')
        image.putpalette(rng.integers(0, 256, 3 * 2 ** bits).tolist())
        image.save(path, bits=bits, **({'transparency': bytes(2 ** bits)} if 'alpha' in kind else {}))
        return f'{kind}, {bits} bits'
    if kind == 'bits':
        Image.fromarray(draw() > 128).save(path)
    elif kind == 'gray and alpha':
        Image.merge('LA', [Image.fromarray(draw()), Image.fromarray(draw())]).save(path)
    elif kind == 'packed gray':
        bits, row = int(pick(2, 4)), None
        row = -(-width * bits // 8)
        chunk = lambda name, data: struct.pack('>I', len(data)) + name + data + struct.pack('>I', zlib.crc32(name + data))
        raw = b''.join(b'\0' + rng.integers(0, 256, row).astype('uint8').tobytes() for _ in range(height))
        with open(path, 'wb') as out:
            out.write(b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', struct.pack('>2I5B', width, height, bits, 0, 0, 0, 0)) + chunk(b'IDAT', zlib.compress(raw)) + chunk(b'IEND', b''))
    else:
        with open(path, 'wb') as out:
            out.write(imagecodecs.png_encode(draw(*{'colours': [3], 'alpha': [4]}.get(kind.split()[0], []))))
    return kind


def bmp(rng, path, pick):
    height, width = (int(n) for n in rng.integers(2, 12, 2))
    kind = pick('gray', 'colours', 'alpha', 'palette', 'bits', 'upside down', 'four bits')
    draw = lambda *more: rng.integers(0, 256, (height, width, *more)).astype('uint8')
    if kind == 'palette':
        image = Image.fromarray(draw() % 7, 'P')
        image.putpalette(rng.integers(0, 256, 3 * 7).tolist())
        image.save(path)
    elif kind == 'bits':
        Image.fromarray(draw() > 128).save(path)
    elif kind == 'four bits':
        row = 4 * (-(-width * 4 // 32))
        with open(path, 'wb') as out:
            out.write(b'BM' + struct.pack('<3I', 118 + height * row, 0, 118) + struct.pack('<3I2H6I', 40, width, height, 1, 4, 0, 0, 0, 0, 0, 0)
                      + rng.integers(0, 256, 64 + height * row).astype('uint8').tobytes())
    else:
        io.imsave(path, draw(*{'gray': [], 'alpha': [4]}.get(kind, [3])), check_contrast=False)
        if kind == 'upside down':
            with open(path, 'r+b') as out:
                out.seek(22)
                out.write(struct.pack('<i', -height))
    return kind


def tif(rng, path, pick):
    depth, height, width = (int(n) for n in rng.integers(2, 8, 3))
    dtype = pick('uint8', 'int8', 'int16', 'uint16', 'int32', 'uint32', 'float32', 'float64', 'uint8', 'uint16')
    shape, how = pick(([depth, height, width], {}), ([height, width], {}), ([1, height, width], {}), ([height, width, 3], {'photometric': 'rgb'}),
                      ([3, height, width], {'photometric': 'rgb', 'planarconfig': 'separate'}), ([2, depth, height, width], {}),
                      ([depth, height, width, 3], {'photometric': 'rgb'}), ([height, width, 4], {'photometric': 'rgb'}),
                      ([3, height, width], {'photometric': 'minisblack'}), ([2, 20, 20], {'tile': (16, 16)}))
    if dtype in ('uint8', 'uint16', 'float32') and rng.random() < 0.2 and len(shape) > 2 and shape[-1] != 4 and how.get('planarconfig') is None:
        how = {**how, 'imagej': True}
    else:
        how = {**how, 'compression': pick(None, None, 'zlib', 'lzw', 'packbits', 'zstd'), 'bigtiff': bool(pick(0, 0, 1)), 'byteorder': pick('<', '>')}
        if how['compression'] in ('zlib', 'lzw'):
            how['predictor'] = bool(pick(0, 1))
        how['metadata'] = pick({}, {}, None)
        if dtype == 'uint8' and len(shape) == 2 and pick(0, 1):
            how['photometric'] = 'miniswhite'
    tifffile.imwrite(path, numbers(rng, shape, dtype), **{**how, 'photometric': how.get('photometric', 'minisblack')})
    return f'tifffile, {dtype}, {shape}, {how}'


def tif_by_others(rng, path, pick):
    height, width = (int(n) for n in rng.integers(2, 8, 2))
    kind = pick('SimpleITK', 'Pillow', 'palette', 'unlike pages')
    draw = lambda: Image.fromarray(rng.integers(0, 256, (height, width)).astype('uint8'))
    if kind == 'SimpleITK':
        dtype = pick('uint8', 'int16', 'uint16', 'float32')
        sitk.WriteImage(sitk.GetImageFromArray(numbers(rng, [3, height, width], dtype)), path, bool(pick(0, 1)))
        return f'{kind}, {dtype}'
    if kind == 'palette':
        draw().convert('P').save(path)
    elif kind == 'Pillow':
        draw().save(path, save_all=True, append_images=[draw(), draw()], compression=pick(None, 'tiff_lzw', 'tiff_deflate'))
    else:
        with tifffile.TiffWriter(path) as out:
            for rows in pick([4, 4, 2], [4, 2], [4, 2, 4]):
                out.write(rng.integers(0, 256, (rows, width)).astype('uint8'), metadata=None)
    return kind


MAKERS = {'.nrrd': [by_sitk, nrrd_by_hand, nrrd_by_hand], '.mha': [by_sitk, mha_by_hand], '.gipl': [by_sitk, gipl_by_hand], '.png': [png], '.bmp': [bmp],
          '.tif': [tif, tif, tif_by_others], '.tiff': [tif]}


if __name__ == '__main__':
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    count, seed = (int(text) for text in (sys.argv[2:] + ['14', '1'][len(sys.argv) - 2:]))
    rng = np.random.default_rng(seed)
    pick = lambda *options: options[rng.integers(len(options))]
    files = []
    with tempfile.TemporaryDirectory() as folder, np.errstate(all='ignore'):
        for ending, makers in MAKERS.items():
            for _ in range(count):
                path, beside = os.path.join(folder, f'a_0000{ending}'), os.path.join(folder, 'a.json')
                try:
                    name = pick(*makers)(rng, path, pick)
                except Exception as error:
                    print(ending, 'could not be written:', str(error).strip().splitlines()[-1], file=sys.stderr)
                    continue
                spacing = pick([2.5, 0.7, 0.8], None) if ending.startswith('.tif') else None
                if spacing:
                    with open(beside, 'w') as out:
                        json.dump({'spacing': spacing}, out)
                with open(path, 'rb') as file:
                    contents = file.read()
                files.append({'name': name, 'ending': ending, 'spacing': spacing, 'file': base64.b64encode(contents).decode(),
                              'results': {reader.__name__: read(reader, path) for reader in READERS[ending]}})
                if spacing:
                    os.remove(beside)
    with gzip.GzipFile(sys.argv[1], 'wb', mtime=0) as out:
        out.write(json.dumps(files).encode())
