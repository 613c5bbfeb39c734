"""Records one training step of small networks with nnU-Net's own network, loss and validation, for
`test/training/network/recorded-steps.test.ts`: loss, gradients, counts of right, wrong and missed voxels.

    python bench/interop/network_steps.py test/training/network/recorded-steps

What goes in is made of a hash, which the test works out anew: only what comes out is recorded. The network runs in float64, so that
what is recorded is right in all digits of float32; nnU-Net's Dice adds up in float32 all the same.
"""
import json
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import torch
from batchgeneratorsv2.transforms.nnunet.seg_to_onehot import MoveSegAsOneHotToDataTransform
from batchgeneratorsv2.transforms.utils.deep_supervision_downsampling import DownsampleSegForDSTransform
from batchgeneratorsv2.transforms.utils.seg_to_regions import ConvertSegmentationToRegionsTransform
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from nnunetv2.utilities.label_handling.label_handling import determine_num_input_channels
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager


def architecture(kind, features, kernels, strides, encoder, decoder):
    axes = len(strides[0])
    return {
        'network_class_name': f'dynamic_network_architectures.architectures.unet.{kind}',
        'arch_kwargs': {
            'n_stages': len(features),
            'features_per_stage': features,
            'conv_op': f'torch.nn.modules.conv.Conv{axes}d',
            'kernel_sizes': kernels,
            'strides': strides,
            'n_conv_per_stage' if kind == 'PlainConvUNet' else 'n_blocks_per_stage': encoder,
            'n_conv_per_stage_decoder': decoder,
            'conv_bias': True,
            'norm_op': f'torch.nn.modules.instancenorm.InstanceNorm{axes}d',
            'norm_op_kwargs': {'eps': 1e-5, 'affine': True},
            'dropout_op': None,
            'dropout_op_kwargs': None,
            'nonlin': 'torch.nn.LeakyReLU',
            'nonlin_kwargs': {'inplace': True},
        },
        '_kw_requires_import': ['conv_op', 'norm_op', 'dropout_op', 'nonlin'],
    }


# One network, so that its shaders are compiled once: a block that passes on, one that takes means and projects, one that takes means alone.
# Slices are thick.
NETWORK = architecture(
    'ResidualEncoderUNet', [3, 4, 4], [[1, 3, 3], [3, 3, 3], [3, 3, 3]], [[1, 1, 1], [1, 2, 2], [2, 2, 2]], [1, 2, 1], [1, 1]
)
PATCH = [4, 8, 12]
LABELS = {'background': 0, 'a': 1, 'b': 2}
# Overlapping regions of labels with a gap, one of a single label.
REGIONS = {'background': 0, 'whole': [1, 2, 4], 'core': [2, 4], 'b': 2}
CASES = [
    {'name': 'residual encoder', 'channels': 4, 'batch_dice': True, 'labels': LABELS},
    {'name': 'ignore label', 'channels': 4, 'batch_dice': True, 'labels': {**LABELS, 'ignore': 3}},
    {'name': 'regions', 'channels': 4, 'batch_dice': False, 'labels': REGIONS},
    {'name': 'regions and ignore label', 'channels': 4, 'batch_dice': True, 'labels': {**REGIONS, 'ignore': 5}},
    {'name': 'cascade', 'channels': 2, 'batch_dice': False, 'labels': LABELS, 'previous_stage': '3d_lowres'},
]
BATCH = 2


def noise(name, count):
    """Numbers from -1 to 1 that float32 has: a name and a place, hashed (MurmurHash3's last step)."""
    x = np.arange(count, dtype=np.uint32) * np.uint32(2654435761) + np.uint32(zlib.crc32(name.encode()))
    x ^= x >> np.uint32(16)
    x *= np.uint32(0x85EBCA6B)
    x ^= x >> np.uint32(13)
    x *= np.uint32(0xC2B2AE35)
    x ^= x >> np.uint32(16)
    return (x >> np.uint32(16)).astype(np.float64) / 32768 - 1


def parameter(name, count):
    """Far from 0, so that nothing hides: norms about 1, heads that decide."""
    if name.endswith('norm.weight'):
        return 1 + noise(name, count) / 4
    return noise(name, count) * (2 if 'seg_layers' in name else 0.25)


def draw_labels(name, count, values):
    return np.array(values, np.int16)[((noise(name, count) + 1) / 2 * len(values)).astype(int)]


class Trainer(nnUNetTrainer):
    """nnU-Net's trainer without its folders."""

    def __init__(self, case):
        plans = {'configurations': {'own': {'architecture': NETWORK, 'patch_size': PATCH, 'previous_stage': None, **case}}}
        self.plans_manager = PlansManager(plans)
        self.configuration_manager = self.plans_manager.get_configuration('own')
        dataset = {
            'channel_names': {str(i): 'MRI' for i in range(case['channels'])},
            'labels': case['labels'],
            'regions_class_order': [1, 2, 4],
        }
        self.label_manager = self.plans_manager.get_label_manager(dataset)
        self.enable_deep_supervision = True
        self.is_ddp = False
        self.device = torch.device('cpu')
        self.network = self.build_network_architecture(
            self.plans_manager, self.configuration_manager,
            determine_num_input_channels(self.plans_manager, self.configuration_manager, dataset),
            self.label_manager.num_segmentation_heads,
        ).double()
        self.loss = self._build_loss()

    def _do_i_compile(self):
        return False

    def batch(self, case):
        count = int(np.prod(PATCH))
        channels = case['channels']
        values = sorted({label for entry in case['labels'].values() for label in (entry if isinstance(entry, list) else [entry])})
        images, targets = [], []
        for sample in range(BATCH):
            labels = draw_labels(f'labels {sample}', count, values)
            known = [value for value in values if value != self.label_manager.ignore_label]
            previous = draw_labels(f'previous {sample}', count, known)
            data = {
                'image': torch.from_numpy(noise(f'image {sample}', channels * count).reshape(channels, *PATCH)),
                'segmentation': torch.from_numpy(np.stack([labels, previous]).reshape(2, *PATCH)),
            }
            if 'previous_stage' in case:
                data = MoveSegAsOneHotToDataTransform(1, self.label_manager.foreground_labels)(**data)
            data['segmentation'] = data['segmentation'][:1]
            if self.label_manager.has_regions:
                ignore = [] if self.label_manager.ignore_label is None else [self.label_manager.ignore_label]
                data = ConvertSegmentationToRegionsTransform([*self.label_manager.foreground_regions, *ignore], 0)(**data)
            data = DownsampleSegForDSTransform(self._get_deep_supervision_scales())(**data)
            images.append(data['image'])
            targets.append(data['segmentation'])
        return {'data': torch.stack(images), 'target': [torch.stack(scale) for scale in zip(*targets)]}


def record(case):
    trainer = Trainer(case)
    with torch.no_grad():
        for name, value in trainer.network.named_parameters():
            value.copy_(torch.from_numpy(parameter(name, value.numel()).reshape(value.shape)))
    batch = trainer.batch(case)
    loss = trainer.loss(trainer.network(batch['data']), batch['target'])
    loss.backward()
    gradients = {
        name: np.zeros(value.shape, np.float32) if value.grad is None else value.grad.numpy().astype(np.float32)
        for name, value in trainer.network.named_parameters()
    }
    norm = torch.nn.utils.clip_grad_norm_(trainer.network.parameters(), 1e9)
    with torch.no_grad():
        validation = trainer.validation_step(batch)
    counts = [[int(n) for n in row] for row in zip(*(validation[key] for key in ('tp_hard', 'fp_hard', 'fn_hard')))]
    print(f"{case['name']}: loss {loss.item():.7f}, gradient norm {norm.item():.6f}, counts {counts}")
    return {**case, 'loss': loss.item(), 'gradient_norm': norm.item(), 'counts': counts}, gradients


def write_safetensors(path, tensors):
    header, offset = {}, 0
    for name, value in tensors.items():
        header[name] = {'dtype': 'F32', 'shape': list(value.shape), 'data_offsets': [offset, offset + value.nbytes]}
        offset += value.nbytes
    text = json.dumps(header).encode()
    text = text.ljust(-(-len(text) // 8) * 8)
    path.write_bytes(struct.pack('<Q', len(text)) + text + b''.join(value.tobytes() for value in tensors.values()))


out = Path(sys.argv[1])
out.mkdir(parents=True, exist_ok=True)
torch.set_num_threads(1)
steps, tensors = [], {}
for case in CASES:
    step, gradients = record(case)
    steps.append(step)
    tensors |= {f"{case['name']}/{name}": value for name, value in gradients.items()}
(out / 'steps.json').write_text(json.dumps({'architecture': NETWORK, 'patch_size': PATCH, 'batch_size': BATCH, 'steps': steps}, indent=1) + '\n')
write_safetensors(out / 'gradients.safetensors', tensors)
