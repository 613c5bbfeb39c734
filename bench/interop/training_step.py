"""The training steps of training-step.ts with PyTorch, dynamic_network_architectures and nnU-Net's own loss: prints how far apart.

python bench/interop/training_step.py FOLDER
"""

import json
import struct
import sys
from pathlib import Path

import numpy as np
import torch
from dynamic_network_architectures.architectures.unet import PlainConvUNet
from nnunetv2.training.loss.compound_losses import DC_and_CE_loss
from nnunetv2.training.loss.dice import MemoryEfficientSoftDiceLoss

folder = Path(sys.argv[1])
step = json.loads((folder / "step.json").read_text())


def tensors(name):
    raw = (folder / name).read_bytes()
    (length,) = struct.unpack("<Q", raw[:8])
    header = json.loads(raw[8 : 8 + length])
    header.pop("__metadata__")
    return {
        key: torch.from_numpy(
            np.frombuffer(raw[8 + length + entry["data_offsets"][0] : 8 + length + entry["data_offsets"][1]], "<f4").reshape(entry["shape"]).copy()
        )
        for key, entry in header.items()
    }


plan = step["network"]
torch.set_num_threads(1)
network = PlainConvUNet(
    step["channels"], len(plan["features"]), plan["features"], torch.nn.Conv3d, plan["kernels"], plan["strides"], plan["encoder"],
    step["classes"], plan["decoder"], conv_bias=True, norm_op=torch.nn.InstanceNorm3d, norm_op_kwargs={"eps": 1e-5, "affine": True},
    nonlin=torch.nn.LeakyReLU, nonlin_kwargs={"inplace": True}, deep_supervision=True,
)
missing, unexpected = network.load_state_dict(tensors("before.safetensors"), strict=False)
aliases = [key for key in missing if ".all_modules." not in key and not key.startswith("decoder.encoder.")]
print("parameters that were not given:", aliases, "- that are not known:", unexpected)
loss = DC_and_CE_loss(
    {"batch_dice": step["batchDice"], "smooth": 1e-5, "do_bg": False, "ddp": False}, {}, weight_ce=1, weight_dice=1,
    ignore_label=None, dice_class=MemoryEfficientSoftDiceLoss,
)
optimiser = torch.optim.SGD(network.parameters(), step["learningRate"], weight_decay=3e-5, momentum=0.99, nesterov=True)
for i in range(step["steps"]):
    shape = [step["batch"], step["channels"], *step["patchSize"]]
    image = torch.from_numpy(np.fromfile(folder / f"image-{i}.f32", np.float32).reshape(shape))
    outputs = network(image)
    optimiser.zero_grad()
    total = 0
    weights = np.array([0.5**k for k in range(len(step["shapes"]))])
    weights = weights / weights.sum()
    for k, size in enumerate(step["shapes"]):
        target = torch.from_numpy(np.fromfile(folder / f"target-{i}-{k}.i16", np.int16).reshape([step["batch"], 1, *size]).astype(np.int64))
        total = total + weights[k] * loss(outputs[k], target)
    total.backward()
    norm = torch.nn.utils.clip_grad_norm_(network.parameters(), 12)
    optimiser.step()
    ours = step["results"][i]
    print(f"step {i}: loss {total.item():.7f} (voxfeed {ours['loss']:.7f}), gradient norm {norm.item():.6f} (voxfeed {ours['gradientNorm']:.6f})")
state = network.state_dict()
before = tensors("before.safetensors")
worst = max(
    ((state[key] - value).abs().max() / max((value - before[key]).abs().max().item(), 1e-6), key) for key, value in tensors("after.safetensors").items()
)
print(f"largest difference of a parameter after {step['steps']} steps, as a part of how far its tensor moved: {worst[0].item():.2e} ({worst[1]})")
