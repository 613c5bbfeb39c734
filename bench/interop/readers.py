"""Records what nnU-Net's readers make of small NIfTI files with made-up headers, for test/raw/recorded-readers.test.ts.

usage: readers.py OUT.json [COUNT [SEED]]   (needs nnunetv2, SimpleITK, nibabel, scipy)
"""
import base64, json, os, struct, sys, tempfile
import numpy as np
import SimpleITK as sitk
from nnunetv2.imageio.nibabel_reader_writer import NibabelIO, NibabelIOWithReorient
from nnunetv2.imageio.simpleitk_reader_writer import SimpleITKIO, SimpleITKIOWithReorient
from scipy.spatial.transform import Rotation

READERS = [SimpleITKIO, SimpleITKIOWithReorient, NibabelIO, NibabelIOWithReorient]
DTYPES = {2: 'u1', 4: '<i2', 8: '<i4', 16: '<f4', 64: '<f8', 256: 'i1', 512: '<u2', 768: '<u4'}
NAN = float('nan')


def rotation(rng):
    signed = np.eye(3)[rng.permutation(3)] * rng.choice([-1, 1], 3)
    kind = rng.choice(['signed', 'oblique', 'slight'])
    if kind == 'oblique':
        return Rotation.random(random_state=int(rng.integers(1 << 30))).as_matrix() * rng.choice([1, 1, -1])
    return signed if kind == 'signed' else Rotation.from_rotvec(rng.normal(0, 0.15, 3)).as_matrix() @ signed


def make(rng):
    """One file: its name says what is odd about it."""
    pick = lambda *options: options[rng.integers(len(options))]
    shape = [int(n) for n in rng.integers(2, 5, 3)] + pick([], [], [], [1], [2], [3])
    code = int(pick(2, 4, 8, 16, 64, 512))
    voxels = rng.integers(0, 120, int(np.prod(shape))).astype(DTYPES[code])
    if code in (16, 64) and rng.random() < 0.4:
        voxels[:3] = np.nan, np.inf, -np.inf
    sizes = rng.choice([0.4, 1, 2.5, 400, 0.8, 3], 3)
    turn, offset = rotation(rng), rng.normal(0, 50, 3)
    qfac = 1.0 if np.linalg.det(turn) > 0 else -1.0
    quaternion = Rotation.from_matrix(turn @ np.diag([1, 1, qfac])).as_quat()
    quaternion *= np.sign(quaternion[3]) or 1
    sform, moved, kind = turn @ np.diag(sizes), offset.copy(), pick('same', 'same', 'other', 'scale', 'shear', 'zero', 'moved')
    if kind == 'other':
        sform = rotation(rng) @ np.diag(sizes)
    elif kind == 'scale':
        sform = rotation(rng)
    elif kind == 'shear':
        sform = sform @ np.array([[1, 0.1, 0], [0, 1, 0], [0, 0, 1]])
    elif kind == 'zero':
        sform = np.zeros((3, 3))
    elif kind == 'moved':
        moved = offset + 5
    qform_code, sform_code, unit = int(pick(0, 1, 1, 2)), int(pick(0, 1, 1, 2, 4)), int(pick(0, 1, 2, 3))
    slope, inter = pick((1, 0), (1, 0), (0, 0), (0, 5), (2, 0), (0.5, -3), (2, NAN), (NAN, 7), (float('inf'), 1), (-1, 0))
    head = bytearray(352)
    put = lambda form, at, *values: struct.pack_into('<' + form, head, at, *values)
    put('i', 0, 348)
    put('8h', 40, len(shape), *shape, *[1] * (7 - len(shape)))
    put('2h', 70, code, 8 * np.dtype(DTYPES[code]).itemsize)
    put('8f', 76, qfac, *sizes, 1, 1, 1, 1)
    put('3f', 108, 352, slope, inter)
    put('B', 123, unit | 8)
    put('2h', 252, qform_code, sform_code)
    put('6f', 256, *quaternion[:3], *offset)
    put('12f', 280, *np.c_[sform, moved].ravel())
    head[344:348] = b'n+1\0'
    name = f'sform {kind}, codes {qform_code} {sform_code}, unit {unit}, scaling {slope} {inter}, datatype {code}, shape {shape}'
    return name, bytes(head) + voxels.tobytes()


def read(reader, path):
    """What it gives, or null where it refuses."""
    try:
        data, properties = reader().read_images([path])
    except Exception:
        return None
    found = {'shape': list(data.shape), 'spacing': [float(size) for size in properties['spacing']],
             'data': base64.b64encode(data.astype('<f4').tobytes()).decode()}
    if not properties.keys() & {'sitk_stuff', 'nibabel_stuff'}:
        return found
    if 'sitk_stuff' not in properties:
        return {**found, **{name: matrix.tolist() for name, matrix in properties['nibabel_stuff'].items()}}
    place = properties['sitk_stuff']
    axes = len(place['spacing'])
    direction = np.array(place['direction']).reshape(axes, axes)[:3, :3]
    return {**found, 'steps': list(place['spacing'])[:3], 'origin': list(place['origin'])[:3], 'direction': direction.ravel().tolist(),
            'original_orientation': place.get('original_orientation')}


if __name__ == '__main__':
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    count, seed = (int(text) for text in (sys.argv[2:] + ['60', '1'][len(sys.argv) - 2:]))
    rng = np.random.default_rng(seed)
    files = []
    with tempfile.TemporaryDirectory() as folder, np.errstate(all='ignore'):
        path = os.path.join(folder, 'a.nii')
        for _ in range(count):
            name, contents = make(rng)
            with open(path, 'wb') as out:
                out.write(contents)
            files.append({'name': name, 'file': base64.b64encode(contents).decode(),
                          'results': {reader.__name__: read(reader, path) for reader in READERS}})
    with open(sys.argv[1], 'w') as out:
        json.dump(files, out)
