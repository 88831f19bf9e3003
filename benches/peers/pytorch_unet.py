"""Times one U-Net step and the encoder of the starter model in PyTorch, to
stand beside `cargo bench --bench upscale` on the same machine.

    pip install torch numpy safetensors
    python benches/peers/pytorch_unet.py [--size 160] [--threads N] [--device cuda]

Reads the same weights by the same names; functional, f32, no compilation.
"""
import argparse
import json
import math
import pathlib
import time

import torch
import torch.nn.functional as F
from safetensors import safe_open

MODEL = pathlib.Path(__file__).parents[2] / "weights" / "srdiff-s-x4.safetensors"


def reflected(x):
    """One more pixel on each side, as F.pad reflects them. On CUDA, that gives up
    channels-last, and the convolution would have to move all channels back."""
    if not (x.is_cuda and x.is_contiguous(memory_format=torch.channels_last)):
        return F.pad(x, (1, 1, 1, 1), "reflect")
    x = torch.cat([x[:, :, 1:2], x, x[:, :, -2:-1]], 2)
    return torch.cat([x[:, :, :, 1:2], x, x[:, :, :, -2:-1]], 3)


class Network:
    def __init__(self, path, device):
        with safe_open(path, "pt") as file:
            self.config = json.loads(file.metadata()["config"])
            for option in ("gn_groups", "use_attn", "up_input"):
                if self.config.get(option):
                    raise SystemExit(f"{path}: {option} is not part of this comparison")
            self.w = {name: file.get_tensor(name).float().to(device) for name in file.keys()}
        self.hidden = self.config["hidden_size"]
        self.levels = len(self.config["unet_dim_mults"])
        self.scale = self.config["sr_scale"]

    def channels_last(self):
        self.w = {
            name: tensor.contiguous(memory_format=torch.channels_last) if tensor.dim() == 4 else tensor
            for name, tensor in self.w.items()
        }

    def conv(self, name, x, reflect=True, **options):
        weight, bias = self.w[f"{name}.weight"], self.w[f"{name}.bias"]
        if weight.shape[-1] == 1:
            return F.conv2d(x, weight, bias)
        if reflect:
            return F.conv2d(reflected(x), weight, bias, **options)
        return F.conv2d(x, weight, bias, padding=1, **options)

    def enlarge(self, name, x, stride):
        weight, bias = self.w[f"{name}.weight"], self.w[f"{name}.bias"]
        return F.conv_transpose2d(x, weight, bias, stride=stride, padding=stride // 2)

    def linear(self, name, x):
        return F.linear(x, self.w[f"{name}.weight"], self.w[f"{name}.bias"])

    def encoder(self, lr):
        """LR in [0, 1] to the conditioning of the U-Net's first level."""
        leaky = lambda v: F.leaky_relu(v, 0.2)
        first = x = self.conv("rrdb.conv_first", lr, reflect=False)
        features = []
        while f"rrdb.RRDB_trunk.{len(features)}.RDB1.conv1.weight" in self.w:
            block = x
            for dense in (1, 2, 3):
                name = f"rrdb.RRDB_trunk.{len(features)}.RDB{dense}"
                grown = [x]
                for k in range(1, 5):
                    grown.append(leaky(self.conv(f"{name}.conv{k}", torch.cat(grown, 1), reflect=False)))
                x = 0.2 * self.conv(f"{name}.conv5", torch.cat(grown, 1), reflect=False) + x
            x = 0.2 * x + block
            features.append(x)
        features.append(first + self.conv("rrdb.trunk_conv", x, reflect=False))
        return self.enlarge("denoise_fn.cond_proj", torch.cat(features[2::3], 1), self.scale)

    def time(self, t):
        half = self.hidden // 2
        angle = t * torch.exp(torch.arange(half) * (-math.log(10000) / (half - 1)))
        e = torch.cat([angle.sin(), angle.cos()])[None].to(self.w["denoise_fn.mlp.0.weight"].device)
        return self.linear("denoise_fn.mlp.2", F.mish(self.linear("denoise_fn.mlp.0", e)))

    def time_of(self, name, temb):
        return self.linear(f"{name}.mlp.1", F.mish(temb))[:, :, None, None]

    def resnet(self, name, x, temb):
        name = f"denoise_fn.{name}"
        h = F.mish(self.conv(f"{name}.block1.block.1", x))
        h = h + (self.w[f"{name}.time"] if f"{name}.time" in self.w else self.time_of(name, temb))
        h = F.mish(self.conv(f"{name}.block2.block.1", h))
        return h + (self.conv(f"{name}.res_conv", x) if f"{name}.res_conv.weight" in self.w else x)

    def unet(self, x, temb, conditioning):
        """One step, with the time's embedding and the encoder's conditioning."""
        skips = []
        for level in range(self.levels):
            x = self.resnet(f"downs.{level}.1", self.resnet(f"downs.{level}.0", x, temb), temb)
            if level == 0:
                x = x + conditioning
            skips.append(x)
            if level + 1 < self.levels:
                x = self.conv(f"denoise_fn.downs.{level}.2.conv.1", x, stride=2)
        x = self.resnet("mid_block2", self.resnet("mid_block1", x, temb), temb)
        for j in range(self.levels - 1):
            x = self.resnet(f"ups.{j}.0", torch.cat([x, skips.pop()], 1), temb)
            x = self.enlarge(f"denoise_fn.ups.{j}.2.conv.0", self.resnet(f"ups.{j}.1", x, temb), 2)
        return self.conv("denoise_fn.final_conv.1", F.mish(self.conv("denoise_fn.final_conv.0.block.1", x)))


class Step(torch.nn.Module):
    """One U-Net step as a module, for engines that take one. What depends on the
    time alone is computed beforehand, as srdiff does it."""

    def __init__(self, path, device="cpu", dtype=torch.float32, layout=torch.contiguous_format):
        super().__init__()
        self.network = Network(path, "cpu")
        if layout == torch.channels_last:
            self.network.channels_last()
        temb = self.network.time(37)
        for name in [name.removesuffix(".mlp.1.weight") for name in self.network.w if name.endswith(".mlp.1.weight")]:
            self.network.w[f"{name}.time"] = self.network.time_of(name, temb)
        self.register_buffer("temb", temb)
        for name, tensor in self.network.w.items():
            self.register_buffer(name.replace(".", "_"), tensor)
        self.to(device, dtype).eval()

    def forward(self, x, conditioning):
        self.network.w = {name: getattr(self, name.replace(".", "_")) for name in self.network.w}
        return self.network.unet(x, self.temb, conditioning)


def measure(work, device, repetitions=15):
    times = []
    for _ in range(repetitions + 2):
        start = time.perf_counter()
        work()
        if device == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    times = sorted(times[2:])
    return f"best {times[0] * 1e3:8.2f} ms, median {times[len(times) // 2] * 1e3:8.2f} ms"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default=MODEL)
    parser.add_argument("--size", type=int, default=160, help="height and width of the result")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    network = Network(arguments.model, arguments.device)
    size, small = arguments.size, arguments.size // network.scale
    torch.manual_seed(0)
    lr = torch.rand(1, 3, small, small, device=arguments.device)
    x = torch.randn(1, 3, size, size, device=arguments.device)
    print(f"PyTorch {torch.__version__}, {arguments.device}, {torch.get_num_threads()} threads, {size}x{size}")
    with torch.inference_mode():
        for layout in ("contiguous", "channels last"):
            if layout == "channels last":
                network.channels_last()
                lr = lr.contiguous(memory_format=torch.channels_last)
                x = x.contiguous(memory_format=torch.channels_last)
            conditioning = network.encoder(lr)
            step = measure(lambda: network.unet(x, network.time(37), conditioning), arguments.device)
            image = measure(lambda: network.encoder(lr), arguments.device)
            print(f"{layout:13}  U-Net step: {step}   encoder: {image}")


if __name__ == "__main__":
    main()
