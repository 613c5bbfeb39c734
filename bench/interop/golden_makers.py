"""How the releases that are installed make the outputs of golden cases out of their inputs and parameters; for `golden.py`.

A maker takes a case's parameters (in which it renews what is derived: matrices, kernels, statistics) and its input arrays, and returns
its output arrays by their keys.
"""
import os

for name in ('nnUNet_raw', 'nnUNet_preprocessed', 'nnUNet_results'):
    os.environ.setdefault(name, os.devnull)

from unittest import mock

import numpy as np
import torch
from acvl_utils.cropping_and_padding.bounding_boxes import crop_and_pad_nd
from batchgeneratorsv2.transforms.intensity.brightness import MultiplicativeBrightnessTransform
from batchgeneratorsv2.transforms.intensity.contrast import ContrastTransform
from batchgeneratorsv2.transforms.intensity.gamma import GammaTransform
from batchgeneratorsv2.transforms.nnunet.seg_to_onehot import MoveSegAsOneHotToDataTransform
from batchgeneratorsv2.transforms.noise.gaussian_blur import _build_kernel, blur_dimension
from batchgeneratorsv2.transforms.spatial.low_resolution import SimulateLowResolutionTransform
from batchgeneratorsv2.transforms.spatial.mirroring import MirrorTransform
from batchgeneratorsv2.transforms.spatial.spatial import SpatialTransform
from batchgeneratorsv2.transforms.utils.deep_supervision_downsampling import DownsampleSegForDSTransform
from batchgeneratorsv2.transforms.utils.nnunet_masking import MaskImageTransform
from batchgeneratorsv2.transforms.utils.pseudo2d import Convert2DTo3DTransform, Convert3DTo2DTransform
from batchgeneratorsv2.transforms.utils.remove_label import RemoveLabelTansform
from batchgeneratorsv2.transforms.utils.seg_to_regions import ConvertSegmentationToRegionsTransform
from nnunetv2.experiment_planning.dataset_fingerprint.fingerprint_extractor import DatasetFingerprintExtractor
from nnunetv2.preprocessing.cropping.cropping import create_nonzero_mask, crop_to_nonzero
from nnunetv2.preprocessing.normalization import default_normalization_schemes as schemes
from nnunetv2.preprocessing.resampling.default_resampling import resample_data_or_seg_to_shape

RADIANS = 'angles_rad'


def tensor(array):
    return torch.from_numpy(np.array(array))


def chosen(per_channel):
    """The channels that have a parameter, and their parameters."""
    channels = [c for c, value in enumerate(per_channel) if value is not None]
    return torch.tensor(channels, dtype=torch.long), [per_channel[c] for c in channels]


# --- single transforms: image in, image out, with parameters per channel


def blur(image, sigmas_per_channel, fft=None):
    for c, sigmas in enumerate(sigmas_per_channel):
        for axis, sigma in enumerate(sigmas or []):
            image[c:c + 1] = blur_dimension(image[c:c + 1], sigma, axis, force_use_fft=fft)
    return image


def brightness(image, per_channel):
    channels, multipliers = chosen(per_channel)
    peer = MultiplicativeBrightnessTransform(1, False)
    return peer._apply_to_image(image, apply_to_channel=channels, multipliers=torch.tensor(multipliers))


def contrast(image, per_channel, preserve_range=True):
    channels, multipliers = chosen(per_channel)
    peer = ContrastTransform(1, preserve_range, False)
    return peer._apply_to_image(image, apply_to_channel=channels, multipliers=torch.tensor(multipliers))


def gamma(image, per_channel, invert, retain=True):
    channels, gammas = chosen(per_channel)
    flags = dict(retain_stats=torch.tensor([retain] * len(gammas)), invert_image=torch.tensor([invert] * len(gammas)))
    return GammaTransform(1, 0, False, 1, 0)._apply_to_image(image, apply_to_channel=channels, gamma=torch.tensor(gammas), **flags)


def low_resolution(image, scales_per_channel):
    channels, scales = chosen(scales_per_channel)
    peer = SimulateLowResolutionTransform(1, False, False, None)
    return peer._apply_to_image(image, apply_to_channel=channels, scales=torch.tensor(scales))


def spatial(image, params, **arguments):
    """The transform, and the parameters that it gets with the angles, scales and centre of the case."""
    angles, scales = params.get(RADIANS), params.get('scales')
    random_crop = params.get('random_crop', False)
    peer = SpatialTransform(
        patch_size=params['patch_size'], patch_center_dist_from_border=0, random_crop=random_crop, p_rotation=float(angles is not None),
        rotation=lambda image, dim: angles[dim], p_scaling=float(scales is not None), scaling=lambda image, dim: scales[dim], **arguments,
    )
    # Called with a range it draws the centre, without one it decides what happens.
    center = iter(params.get('center_location_in_pixels', []))
    with mock.patch('numpy.random.uniform', lambda *limits: next(center) if limits else 0.5):
        parameters = peer.get_parameters(image=image)
    if 'affine' in params:
        params['affine'] = None if parameters['affine'] is None else parameters['affine'].tolist()
    return peer, parameters


# --- makers


def make_spatial(params, image, segmentation):
    image, segmentation = tensor(image), tensor(segmentation)
    names = ['mode_image', 'padding_mode_image', 'padding_value_image', 'mode_seg', 'border_mode_seg', 'padding_value_seg',
             'bg_style_seg_sampling', 'align_corners']
    peer, parameters = spatial(image, params, **{name: params[name] for name in names})
    made = dict(image=peer._apply_to_image(image, **parameters), segmentation=peer._apply_to_segmentation(segmentation, **parameters))
    return made if parameters['grid'] is None else {**made, 'grid': parameters['grid']}


def make_blur(params, image):
    params['kernels'] = {key: _build_kernel(float(key), truncate=6).tolist() for key in params['kernels']}
    return dict(image=blur(tensor(image), params['sigmas_per_channel'], params['via'] == 'fft'))


def make_dummy_2d(params, image, segmentation):
    data = Convert3DTo2DTransform()(image=tensor(image), segmentation=tensor(segmentation))
    if 'patch_size' in params:
        names = ['border_mode_seg', 'padding_value_seg', 'bg_style_seg_sampling']
        peer, parameters = spatial(data['image'], params, **{name: params[name] for name in names})
        data = Convert2DTo3DTransform()(**peer.apply(data, **parameters))
    return {key: data[key] for key in ('image', 'segmentation')}


def make_crop(params, **inputs):
    def pads(key):
        return {'pad_mode': params['pad_mode']} if 'pad_mode' in params else {'pad_value': params[f'pad_value_{key}']}
    return {key: crop_and_pad_nd(array, params['bbox'], **pads(key)) for key, array in inputs.items()}


def make_pipeline(params, image, segmentation):
    """nnU-Net's training transforms but noise, in their order."""
    data = dict(image=tensor(image), segmentation=tensor(segmentation))
    patch = list(params['patch_size'])
    if params['dummy_2d']:
        data, patch = Convert3DTo2DTransform()(**data), patch[1:]
    dim = data['image'].ndim - 1
    given = dict(patch_size=patch, angles_rad=params[RADIANS], scales=None if params['scale'] is None else [params['scale']] * dim, affine=None)
    peer, parameters = spatial(data['image'], given, border_mode_seg='constant', padding_value_seg=-1)
    data = peer.apply(data, **parameters)
    params['affine'] = given['affine']
    if params['dummy_2d']:
        data = Convert2DTo3DTransform()(**data)
    image = data['image'].contiguous()
    if params['blur_sigmas_per_channel']:
        image = blur(image, params['blur_sigmas_per_channel'])
    if params['brightness']:
        image = brightness(image, params['brightness'])
    if params['contrast']:
        image = contrast(image, params['contrast'])
    if params['lowres_scales_per_channel']:
        image = low_resolution(image, params['lowres_scales_per_channel'])
    if params['gamma_inverted']:
        image = gamma(image, params['gamma_inverted'], True)
    if params['gamma']:
        image = gamma(image, params['gamma'], False)
    data = MirrorTransform(()).apply(dict(image=image, segmentation=data['segmentation']), axes=params['mirror_axes'])
    if params['mask_image_outside']:
        data = MaskImageTransform(list(range(len(image))))(**data)
    data = RemoveLabelTansform(-1, 0)(**data)
    return DownsampleSegForDSTransform(params['ds_scales'])(**data)


def make_normalisation(scheme):
    def make(params, image, segmentation=None):
        peer = getattr(schemes, scheme)(params.get('use_mask_for_norm', False), params)
        return dict(image=peer.run(np.array(image), segmentation))
    return make


def make_resampling(params, image, segmentation):
    spacings = params['current_spacing'], params['new_spacing']
    def resample(data, order, is_seg):
        return resample_data_or_seg_to_shape(np.array(data), params['new_shape'], *spacings, is_seg=is_seg, order=order,
                                             order_z=params['order_z'], force_separate_z=None)
    return dict(image_order3=resample(image, 3, False), image_order1=resample(image, 1, False), segmentation_order1=resample(segmentation, 1, True))


def make_crop_to_nonzero(params, image, segmentation=None):
    data, seg, box = crop_to_nonzero(np.array(image), None if segmentation is None else np.array(segmentation))
    params['bbox'] = [[int(end) for end in axis] for axis in box]
    return dict(image=data, segmentation=seg, mask_full=create_nonzero_mask(image))


def make_statistics(params, image, segmentation):
    _, statistics = DatasetFingerprintExtractor.collect_foreground_intensities(segmentation, image)
    params['per_channel'] = [{key: float(value) for key, value in of.items()} for of in statistics]
    return {}


MAKERS = {
    'SpatialTransform': make_spatial,
    'GaussianBlurTransform': make_blur,
    'MultiplicativeBrightnessTransform': lambda params, image: dict(image=brightness(tensor(image), params['multipliers_per_channel'])),
    'ContrastTransform': lambda params, image: dict(
        image=contrast(tensor(image), params['multipliers_per_channel'], params['preserve_range'])),
    'GammaTransform': lambda params, image: dict(
        image=gamma(tensor(image), params['gamma_per_channel'], params['invert_image'], params['retain_stats'])),
    'SimulateLowResolutionTransform': lambda params, image: dict(image=low_resolution(tensor(image), params['scales_per_channel'])),
    'MirrorTransform': lambda params, image, segmentation: MirrorTransform(()).apply(
        dict(image=tensor(image), segmentation=tensor(segmentation)), axes=params['axes']),
    'DownsampleSegForDSTransform': lambda params, segmentation: DownsampleSegForDSTransform(params['ds_scales'])(
        segmentation=tensor(segmentation)),
    'RemoveLabelTransform': lambda params, segmentation: RemoveLabelTansform(params['label_value'], params['set_to'])(
        segmentation=tensor(segmentation)),
    'MaskImageTransform': lambda params, image, segmentation: MaskImageTransform(
        params['apply_to_channels'], params['channel_idx_in_seg'], params['set_outside_to'])(
            image=tensor(image), segmentation=tensor(segmentation)),
    'ConvertSegmentationToRegionsTransform': lambda params, segmentation: ConvertSegmentationToRegionsTransform(params['regions'])(
        segmentation=tensor(segmentation)),
    'MoveSegAsOneHotToDataTransform': lambda params, image, segmentation: MoveSegAsOneHotToDataTransform(
        params['source_channel_idx'], params['all_labels'])(image=tensor(image), segmentation=tensor(segmentation)),
    'Convert3DTo2DTransform': make_dummy_2d,
    'Convert3DTo2D+SpatialTransform+Convert2DTo3D': make_dummy_2d,
    'crop_and_pad_nd': make_crop,
    'pipeline': make_pipeline,
    'resample_data_or_seg_to_shape': make_resampling,
    'crop_to_nonzero': make_crop_to_nonzero,
    'collect_foreground_intensities': make_statistics,
    **{scheme: make_normalisation(scheme)
       for scheme in ('CTNormalization', 'ZScoreNormalization', 'RescaleTo01Normalization', 'RGBTo01Normalization')},
}
