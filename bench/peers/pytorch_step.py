"""Training steps of the same U-Net in PyTorch, with nnU-Net's loss, as nnU-Net trains it (without torch.compile).

    python bench/peers/pytorch_step.py STEP_JSON

Prints one JSON object: milliseconds a step in float32, with TF32, and with AMP as nnU-Net uses it. On a machine without CUDA
it measures the CPU: float32 only. Needs torch, nnunetv2 and dynamic_network_architectures in a virtual environment of its own.
"""
import json
import os
import sys
import time
from pathlib import Path

for name in ('nnUNet_raw', 'nnUNet_preprocessed', 'nnUNet_results'):
    os.environ.setdefault(name, '/tmp')

import torch
from dynamic_network_architectures.architectures.unet import PlainConvUNet
from dynamic_network_architectures.initialization.weight_init import InitWeights_He
from nnunetv2.training.loss.compound_losses import DC_and_CE_loss
from nnunetv2.training.loss.dice import MemoryEfficientSoftDiceLoss

step = json.loads(Path(sys.argv[1]).read_text())
plan = step['network']
device = torch.device('cuda' if torch.cuda.is_available() else 'cpu')
torch.backends.cudnn.benchmark = True
weights = [0.5**k for k in range(step['heads'])]
weights = [weight / sum(weights) for weight in weights]


def measure(amp, tf32):
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = tf32
    torch.manual_seed(0)
    network = PlainConvUNet(
        step['channels'], len(plan['features']), plan['features'], torch.nn.Conv3d, plan['kernels'], plan['strides'], plan['encoder'],
        step['classes'], plan['decoder'], conv_bias=True, norm_op=torch.nn.InstanceNorm3d, norm_op_kwargs={'eps': 1e-5, 'affine': True},
        nonlin=torch.nn.LeakyReLU, nonlin_kwargs={'inplace': True}, deep_supervision=True,
    ).to(device)
    network.apply(InitWeights_He(1e-2))
    loss = DC_and_CE_loss(
        {'batch_dice': False, 'smooth': 1e-5, 'do_bg': False, 'ddp': False}, {}, weight_ce=1, weight_dice=1, ignore_label=None,
        dice_class=MemoryEfficientSoftDiceLoss,
    )
    optimiser = torch.optim.SGD(network.parameters(), 0.01, weight_decay=3e-5, momentum=0.99, nesterov=True)
    scaler = torch.amp.GradScaler(device.type, enabled=amp)
    shape = [step['batch'], step['channels'], *step['patchSize']]
    # From the host each time, as batches are.
    image = torch.randn(shape).pin_memory() if device.type == 'cuda' else torch.randn(shape)
    sizes = [[size // 2**k for size in step['patchSize']] for k in range(step['heads'])]
    targets = [torch.randint(0, step['classes'], [step['batch'], 1, *size]) for size in sizes]

    def run(count):
        for _ in range(count):
            data = image.to(device, non_blocking=True)
            truth = [target.to(device, non_blocking=True) for target in targets]
            optimiser.zero_grad(set_to_none=True)
            with torch.autocast(device.type, enabled=amp):
                outputs = network(data)
                total = sum(weight * loss(output, target) for weight, output, target in zip(weights, outputs, truth))
            scaler.scale(total).backward()
            scaler.unscale_(optimiser)
            torch.nn.utils.clip_grad_norm_(network.parameters(), 12)
            scaler.step(optimiser)
            scaler.update()
        if device.type == 'cuda':
            torch.cuda.synchronize()

    run(step['warmUp'])
    start = time.perf_counter()
    run(step['steps'])
    milliseconds = 1000 * (time.perf_counter() - start) / step['steps']
    print(f'PyTorch, amp={amp}, tf32={tf32}: {milliseconds} ms a step', file=sys.stderr)
    return milliseconds


found = {'device': torch.cuda.get_device_name() if device.type == 'cuda' else 'cpu', 'torch': torch.__version__, 'float32_ms': measure(False, False)}
if device.type == 'cuda':
    found['tf32_ms'] = measure(False, True)
    found['amp_ms'] = measure(True, True)
print(json.dumps(found))
