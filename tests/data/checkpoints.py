"""Writes the checkpoints beside this file: one very small model in the forms that trainers leave.

    python tests/data/checkpoints.py

trainer.ckpt  legacy form; DistributedDataParallel's prefix, weight normalisation, module versions
              (`_metadata`), optimizer state, a NumPy scalar, a linear schedule in f64.
views.pt      zip form; `model` and `ema`, the latter of transposed and shifted views of one storage,
              the newer weight normalisation, parameters, f64 and bf16, attention and the enlarged
              LR as an input, storages of every other kind, no schedule.
expected.safetensors
              the tensors of either, under `trainer.` and `views.`, as PyTorch has them.
"""

import collections
import pathlib

import numpy
import torch
from safetensors.torch import save_file
from torch import nn

HIDDEN, MULTS, NF, NB, SCALE = 4, (1, 2), 4, 2, 2
HERE = pathlib.Path(__file__).parent / "checkpoints"


def layers(options):
    """Every layer's name and weight shape; all but `to_qkv` have a bias."""
    nf, gc = NF, NF // 2
    yield "rrdb.conv_first", (nf, 3, 3, 3)
    for i in range(NB):
        for j in (1, 2, 3):
            for k in range(1, 6):
                yield f"rrdb.RRDB_trunk.{i}.RDB{j}.conv{k}", (gc if k < 5 else nf, nf + (k - 1) * gc, 3, 3)
    yield "rrdb.trunk_conv", (nf, nf, 3, 3)

    def block(name, cin, cout):
        yield f"{name}.block.1", (cout, cin, 3, 3)

    def resnet(name, cin, cout):
        yield f"{name}.mlp.1", (cout, HIDDEN)
        yield from block(f"{name}.block1", cin, cout)
        yield from block(f"{name}.block2", cout, cout)
        if cin != cout:
            yield f"{name}.res_conv", (cout, cin, 1, 1)

    c0, c1 = (HIDDEN * m for m in MULTS)
    yield "denoise_fn.cond_proj", (NF * ((NB + 1) // 3), HIDDEN, 2 * SCALE, 2 * SCALE)
    yield "denoise_fn.mlp.0", (4 * HIDDEN, HIDDEN)
    yield "denoise_fn.mlp.2", (HIDDEN, 4 * HIDDEN)
    yield from resnet("denoise_fn.downs.0.0", 3, c0)
    yield from resnet("denoise_fn.downs.0.1", c0, c0)
    yield "denoise_fn.downs.0.2.conv.1", (c0, c0, 3, 3)
    yield from resnet("denoise_fn.downs.1.0", c0, c1)
    yield from resnet("denoise_fn.downs.1.1", c1, c1)
    yield from resnet("denoise_fn.mid_block1", c1, c1)
    yield from resnet("denoise_fn.mid_block2", c1, c1)
    yield from resnet("denoise_fn.ups.0.0", 2 * c1, c0)
    yield from resnet("denoise_fn.ups.0.1", c0, c0)
    yield "denoise_fn.ups.0.2.conv.0", (c0, c0, 4, 4)
    yield from block("denoise_fn.final_conv.0", HIDDEN, HIDDEN)
    yield "denoise_fn.final_conv.1", (3, HIDDEN, 1, 1)
    if options:
        yield "denoise_fn.up_proj.1", (HIDDEN, 3, 3, 3)
        yield "denoise_fn.mid_attn.fn.fn.to_qkv", (48, c1, 1, 1)
        yield "denoise_fn.mid_attn.fn.fn.to_out", (c1, 16, 1, 1)


def model(norm, options):
    root = nn.Module()
    for name, shape in layers(options):
        module = root
        for part in name.split("."):
            if part not in module._modules:
                module.add_module(part, nn.Module())
            module = module._modules[part]
        bias = HIDDEN if name == "denoise_fn.cond_proj" else shape[0]
        module.weight = nn.Parameter(torch.randn(shape))
        if not name.endswith("to_qkv"):
            module.bias = nn.Parameter(torch.randn(bias))
        if len(shape) == 4 and ".conv" in name:
            norm(module)
            g = next(p for n, p in module.named_parameters() if n.endswith(("weight_g", "original0")))
            g.data.mul_(torch.rand_like(g) + 0.5)
    if options:
        root.denoise_fn.mid_attn.fn.g = nn.Parameter(torch.randn(1))
    return root


def plain(root):
    """The model's tensors with weight normalisation applied, as its forward pass has them."""
    tensors = {}
    for name, module in root.named_modules():
        if hasattr(module, "weight_v"):
            tensors[f"{name}.weight"] = torch._weight_norm(module.weight_v, module.weight_g, 0)
        for own in ("weight", "bias", "g"):
            if isinstance(getattr(module, own, None), torch.Tensor):
                tensors.setdefault(f"{name}.{own}", getattr(module, own))
    return {name: tensor.detach().clone() for name, tensor in tensors.items()}


def trainer():
    root = model(nn.utils.weight_norm, options=False)
    betas = numpy.linspace(2e-4, 0.03, 20)
    betas[-1] = 0.999
    root.register_buffer("betas", torch.tensor(betas))
    root.register_buffer("posterior_mean_coef1", torch.ones(20))
    optimizer = torch.optim.Adam(root.parameters(), lr=2e-4)
    sum(p.square().sum() for p in list(root.parameters())[:3]).backward()
    optimizer.step()
    wrapped = nn.Module()
    wrapped.module = root
    checkpoint = {
        "epoch": 3,
        "global_step": 2**40,
        "checkpoint_callback_best": numpy.float64(27.16),
        "optimizer_states": [optimizer.state_dict()],
        "state_dict": {"model": wrapped.state_dict()},
    }
    torch.save(checkpoint, HERE / "trainer.ckpt", _use_new_zipfile_serialization=False)
    return plain(root)


def views():
    root = model(nn.utils.parametrizations.weight_norm, options=True)
    for parameter in root.parameters():
        if parameter.dim() == 1:  # so that bf16 holds it
            parameter.data.copy_(parameter.data.bfloat16())
    expected = plain(root)
    state = root.state_dict()
    flat = torch.randn(5 + sum(t.numel() for t in state.values()))
    ema, at = collections.OrderedDict(), 5
    for i, (name, tensor) in enumerate(state.items()):
        part = flat[at : at + tensor.numel()]
        at += tensor.numel()
        if i % 3 == 2:
            tensor = nn.Parameter(tensor.double())
        elif tensor.dim() == 1 and i % 2 == 0:
            tensor = tensor.bfloat16()
        elif tensor.dim() == 4:
            part = part.view(tensor.shape[::-1]).permute(3, 2, 1, 0)
            tensor = part.copy_(tensor)
        else:
            tensor = part.view(tensor.shape).copy_(tensor)
        ema[name] = tensor
    other = {name: torch.zeros(1).expand(tensor.shape) for name, tensor in state.items()}
    kinds = (torch.float16, torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool)
    checkpoint = {
        "model": other,
        "ema": ema,
        "counters": [torch.ones(3, dtype=kind) for kind in kinds],
        "dtype": torch.float32,
        "device": torch.device("cpu"),
        "size": torch.Size([1, 2]),
    }
    torch.save(checkpoint, HERE / "views.pt")
    return expected


def main():
    HERE.mkdir(exist_ok=True)
    torch.manual_seed(0)
    tensors = {f"trainer.{k}": v for k, v in trainer().items()}
    tensors |= {f"views.{k}": v for k, v in views().items()}
    save_file(tensors, HERE / "expected.safetensors")


if __name__ == "__main__":
    main()
