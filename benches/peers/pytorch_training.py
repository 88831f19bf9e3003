"""Times one training step of the starter model in PyTorch, to stand beside
`cargo bench --bench training` on the same machine: forward, backward, clipping
and Adam, of the same losses on images of the same size.

    pip install torch numpy safetensors
    python benches/peers/pytorch_training.py [--size 24] [--batch 8] [--device cuda]

f32 (on a GPU without TF32), eager.
"""
import argparse

import torch
import torch.nn.functional as F

from pytorch_unet import MODEL, Network, measure


class Trained(Network):
    def head(self, last):
        """The encoder's own SR head, in [-1, 1]."""
        x = last
        for doubling in range(1, self.scale.bit_length()):
            x = F.interpolate(x, scale_factor=2, mode="nearest")
            x = F.leaky_relu(self.conv(f"rrdb.upconv{doubling}", x, reflect=False), 0.2)
        x = F.leaky_relu(self.conv("rrdb.HRconv", x, reflect=False), 0.2)
        return self.conv("rrdb.conv_last", x, reflect=False) * 2 - 1

    def time(self, t):
        half = self.hidden // 2
        weights = torch.exp(torch.arange(half, device=t.device) * (-torch.log(torch.tensor(10000.0)) / (half - 1)))
        angle = t[:, None] * weights
        e = torch.cat([angle.sin(), angle.cos()], 1)
        return self.linear("denoise_fn.mlp.2", F.mish(self.linear("denoise_fn.mlp.0", e)))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default=MODEL)
    parser.add_argument("--size", type=int, default=24, help="height and width of LR images")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    device, batch, size = arguments.device, arguments.batch, arguments.size
    print(f"PyTorch {torch.__version__}, {device}, {torch.get_num_threads()} threads, {batch} x {size}x{size}")
    for layout in ("contiguous", "channels last"):
        network = Trained(arguments.model, device)
        if layout == "channels last":
            network.channels_last()
        hr = size * network.scale
        images = lambda side: torch.rand(batch, 3, side, side, device=device)
        lr, target, x, eps = images(size), images(hr), images(hr), images(hr)
        t = torch.randint(100, (batch,), device=device).float()
        for stage in ("encoder", "denoiser", "joint"):
            trained = [
                tensor.requires_grad_(
                    stage == "joint" or name.startswith("rrdb.") == (stage == "encoder")
                )
                for name, tensor in network.w.items()
            ]
            trained = [tensor for tensor in trained if tensor.requires_grad]
            adam = torch.optim.Adam(trained, 1e-9, fused=True)

            def step():
                loss, last = 0, {}
                head = network.enlarge

                def keep(name, features, scale):
                    if name == "denoise_fn.cond_proj":
                        last["features"] = features
                    if stage == "encoder":
                        return None
                    return head(name, features, scale)

                network.enlarge = keep
                if stage == "denoiser":
                    with torch.no_grad():
                        network.encoder(lr)
                    conditioning = head("denoise_fn.cond_proj", last["features"], network.scale)
                else:
                    conditioning = network.encoder(lr)
                    nf = network.w["rrdb.conv_first.weight"].shape[0]
                    loss = (network.head(last["features"][:, -nf:]) - target).abs().mean()
                network.enlarge = head
                if stage != "encoder":
                    loss = loss + (network.unet(x, network.time(t), conditioning) - eps).abs().mean()
                adam.zero_grad(set_to_none=True)
                loss.backward()
                torch.nn.utils.clip_grad_norm_(trained, 1.0)
                adam.step()

            print(f"{layout:13} {stage:>9}: {measure(step, device, arguments.rounds)}")


if __name__ == "__main__":
    main()
