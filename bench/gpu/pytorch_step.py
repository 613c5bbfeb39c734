"""Training steps of the same networks in PyTorch alone, as nnU-Net trains them: no nnunetv2 and no network is needed.

    python bench/gpu/pytorch_step.py SHAPES_JSON RESULT_JSON [--steps N] [--compile]

Milliseconds a step in float32 (TF32 off), with TF32, with AMP, and with AMP and maps that lie channels last; with --compile only that
of the first network under torch.compile and AMP. Without CUDA it measures float32 on the CPU. PlainConvUNet, ResidualEncoderUNet
(BasicBlockD), soft Dice plus cross-entropy and deep supervision are written down here after dynamic_network_architectures 0.4 and
nnunetv2 2.8.
"""

import argparse
import json
import time
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

parser = argparse.ArgumentParser()
parser.add_argument("shapes")
parser.add_argument("result")
parser.add_argument("--steps", type=int, default=10)
parser.add_argument("--compile", action="store_true")
arguments = parser.parse_args()
device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
torch.backends.cudnn.benchmark = True
CHANNELS, CLASSES, WARM_UP = 1, 3, 5


def conv(inputs, outputs, kernel, stride, activation=True):
    padding = [(size - 1) // 2 for size in kernel]
    layers = [nn.Conv3d(inputs, outputs, kernel, stride, padding), nn.InstanceNorm3d(outputs, eps=1e-5, affine=True)]
    return nn.Sequential(*layers, *([nn.LeakyReLU(inplace=True)] if activation else []))


class Residual(nn.Module):
    def __init__(self, inputs, outputs, kernel, stride):
        super().__init__()
        self.convs = nn.Sequential(conv(inputs, outputs, kernel, stride), conv(outputs, outputs, kernel, [1, 1, 1], False))
        skip = [nn.AvgPool3d(stride, stride)] if any(size != 1 for size in stride) else []
        if inputs != outputs:
            skip += [nn.Conv3d(inputs, outputs, 1, bias=False), nn.InstanceNorm3d(outputs, eps=1e-5, affine=True)]
        self.skip = nn.Sequential(*skip)

    def forward(self, x):
        return F.leaky_relu(self.convs(x) + self.skip(x), 0.01, inplace=True)


class Unet(nn.Module):
    def __init__(self, network, heads):
        super().__init__()
        features, strides, kernels = network["features"], network["strides"], network["kernels"]
        residual = network["kind"] == "residual"
        before = features[0] if residual else CHANNELS
        self.stem = conv(CHANNELS, features[0], kernels[0], [1, 1, 1]) if residual else nn.Identity()
        self.stages = nn.ModuleList()
        for count, width, kernel, stride in zip(network["encoder"], features, kernels, strides):
            block = Residual if residual else conv
            self.stages.append(nn.Sequential(*[block(before if i == 0 else width, width, kernel, stride if i == 0 else [1, 1, 1]) for i in range(count)]))
            before = width
        self.ups, self.decoder, self.heads = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        for i, count in enumerate(network["decoder"]):
            stage = len(features) - 2 - i
            width = features[stage]
            self.ups.append(nn.ConvTranspose3d(features[stage + 1], width, strides[stage + 1], strides[stage + 1]))
            self.decoder.append(nn.Sequential(*[conv(2 * width if j == 0 else width, width, kernels[stage], [1, 1, 1]) for j in range(count)]))
            self.heads.append(nn.Conv3d(width, CLASSES, 1))
        self.count = heads

    def forward(self, x):
        x = self.stem(x)
        skips = []
        for stage in self.stages:
            x = stage(x)
            skips.append(x)
        outputs = []
        for up, decoder, head, skip in zip(self.ups, self.decoder, self.heads, skips[-2::-1]):
            x = decoder(torch.cat([up(x), skip], 1))
            outputs.insert(0, head(x))
        return outputs[: self.count]


def loss(logits, target):
    entropy = F.cross_entropy(logits, target[:, 0])
    p = torch.softmax(logits, 1)
    axes = [2, 3, 4]
    truth = torch.zeros(p.shape, device=p.device, dtype=torch.bool).scatter_(1, target, 1)[:, 1:]
    p = p[:, 1:]
    both, predicted, true = (p * truth).sum(axes), p.sum(axes), truth.sum(axes)
    return entropy - ((2 * both + 1e-5) / (predicted + true + 1e-5).clip(1e-8)).mean()


def measure(shape, heads, amp=False, tf32=False, last=False, compiled=False):
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = tf32
    torch.manual_seed(0)
    layout = {"memory_format": torch.channels_last_3d} if last else {}
    network = Unet(shape["network"], heads).to(device, **layout)
    run_network = torch.compile(network) if compiled else network
    optimiser = torch.optim.SGD(network.parameters(), 0.01, weight_decay=3e-5, momentum=0.99, nesterov=True)
    scaler = torch.amp.GradScaler(device.type, enabled=amp)
    size = [shape["batch"], CHANNELS, *shape["patchSize"]]
    image = torch.randn(size)
    targets = [torch.randint(0, CLASSES, [size[0], 1, *[length // 2**k for length in size[2:]]]) for k in range(heads)]
    if device.type == "cuda":
        image, targets = image.pin_memory(), [target.pin_memory() for target in targets]
    weights = [0.5**k for k in range(heads)]

    def run(count):
        for _ in range(count):
            data = image.to(device, non_blocking=True, **layout)
            truth = [target.to(device, non_blocking=True) for target in targets]
            optimiser.zero_grad(set_to_none=True)
            with torch.autocast(device.type, enabled=amp):
                outputs = run_network(data)
                total = sum(weight / sum(weights) * loss(output, target) for weight, output, target in zip(weights, outputs, truth))
            scaler.scale(total).backward()
            scaler.unscale_(optimiser)
            torch.nn.utils.clip_grad_norm_(network.parameters(), 12)
            scaler.step(optimiser)
            scaler.update()
        if device.type == "cuda":
            torch.cuda.synchronize()

    run(WARM_UP if device.type == "cuda" else 1)
    start = time.perf_counter()
    run(arguments.steps)
    return 1000 * (time.perf_counter() - start) / arguments.steps


MODES = {"float32": {}}
if device.type == "cuda":
    MODES |= {"tf32": {"tf32": True}, "amp": {"amp": True, "tf32": True}, "amp_channels_last": {"amp": True, "tf32": True, "last": True}}
if arguments.compile:
    MODES = {"amp_compiled": {"amp": True, "tf32": True, "compiled": True}}
found = {"torch": torch.__version__, "device": torch.cuda.get_device_name() if device.type == "cuda" else "cpu", "cudnn": torch.backends.cudnn.version()}
shapes = json.loads(Path(arguments.shapes).read_text())
for name, shape in list(shapes.items())[: 1 if arguments.compile else None]:
    heads = max(1, len(shape["network"]["features"]) - 2)
    found[name] = {}
    for mode, options in MODES.items():
        try:
            found[name][mode] = {"ms": measure(shape, heads, **options)}
        except Exception as error:  # Out of memory, or no compiler: the other figures count, too.
            found[name][mode] = {"error": str(error)[:500]}
        print(f"PyTorch, {name}, {mode}: {found[name][mode]}", flush=True)
        Path(arguments.result).write_text(json.dumps(found))
        if device.type == "cuda":
            torch.cuda.empty_cache()
