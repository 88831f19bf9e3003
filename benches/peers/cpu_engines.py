"""Times one U-Net step of a model on the CPU in srdiff and in the engines that
people install: PyTorch, ONNX Runtime, OpenVINO (f32 and bf16) and ncnn.

    python benches/peers/cpu_engines.py [--size 160] [--threads N] [--rounds 5] [--wide] [--vulkan]

Installs the engines from PyPI into an environment of its own
(target/peers), once. In each round every engine runs in turn; what is
printed are medians over the rounds of each round's median, and the ratios of
srdiff's (in f32 and in bf16) to them. --wide takes a model of twice as many
channels, with random weights. --vulkan instead compares srdiff and ncnn on the first
Vulkan device. Each engine's result is compared with PyTorch's first.

srdiff's time is that of `cargo bench --bench upscale`: with the sampler's
update, which the others leave out.
"""
import argparse
import os
import pathlib
import re
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).parents[2]
ENVIRONMENT = ROOT / "target" / "peers"
PACKAGES = ["torch", "numpy", "safetensors", "onnx", "onnxscript", "onnxruntime", "openvino", "ncnn", "pnnx"]


def enter_environment():
    """Runs this script again with the interpreter that has the engines."""
    python = ENVIRONMENT / "bin" / "python"
    if pathlib.Path(sys.prefix).resolve() == ENVIRONMENT.resolve():
        return
    if not (ENVIRONMENT / "complete").exists():
        subprocess.run([sys.executable, "-m", "venv", ENVIRONMENT], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *PACKAGES], check=True)
        (ENVIRONMENT / "complete").touch()
    os.execv(python, [str(python), *sys.argv])


def median_time(work, seconds):
    """Median of the calls that fit the time, in ms."""
    work()
    times, end = [], time.perf_counter() + seconds
    while len(times) < 5 or time.perf_counter() < end:
        start = time.perf_counter()
        work()
        times.append((time.perf_counter() - start) * 1e3)
    return statistics.median(times)


def srdiff(arguments, *options, device="cpu"):
    """Median step of one run of the benchmark, in ms."""
    command = ["cargo", "bench", "--bench", "upscale", "--", "--device", device, "--quick", "--size", str(arguments.size // 4)]
    command += ["--model", str(arguments.model), *options]
    environment = {**os.environ, "RAYON_NUM_THREADS": str(arguments.threads)}
    result = subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True, text=True)
    # sampler, steps, seconds of model, image, start, step, ...
    rows = re.findall(r"^ +(?:ddpm|ddim|dpm\+\+) +\d+ +\S+ +\S+ +\S+ +(\S+)", result.stdout, re.MULTILINE)
    return min(float(step) for step in rows) * 1e3


def write_wide(source, path):
    """A model like `source` with twice as many channels in the U-Net, its weights random."""
    import json
    import math

    import safetensors.torch
    import torch
    from safetensors import safe_open

    with safe_open(source, "pt") as file:
        config = json.loads(file.metadata()["config"])
        shapes = {name: file.get_slice(name).get_shape() for name in file.keys()}
    config["hidden_size"] *= 2
    tensors = {}
    for name, shape in shapes.items():
        if name.startswith("denoise_fn."):
            features = name == "denoise_fn.cond_proj.weight"
            shape = [side * 2 if side >= 32 and not (features and axis == 0) else side for axis, side in enumerate(shape)]
        scale = 1 / math.sqrt(math.prod(shape[1:])) if len(shape) > 1 else 0.1
        tensors[name] = torch.randn(shape) * scale
    safetensors.torch.save_file(tensors, path, {"config": json.dumps(config)})


def engines(arguments, folder):
    """For each engine, a function that runs the step and returns its result."""
    import ncnn
    import numpy
    import onnxruntime
    import openvino
    import pnnx
    import torch
    from pytorch_unet import Network

    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    x = torch.randn(1, 3, arguments.size, arguments.size)

    class Step(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.network = Network(arguments.model, "cpu")
            for name, tensor in self.network.w.items():
                self.register_buffer(name.replace(".", "_"), tensor)
            self.network.time(37)

        def forward(self, x, conditioning):
            self.network.w = {name: getattr(self, name.replace(".", "_")) for name in self.network.w}
            return self.network.unet(x, 37, conditioning)

    step = Step().eval()
    conditioning = torch.randn(1, step.network.hidden, arguments.size, arguments.size)
    inputs = [x, conditioning]
    arrays = [tensor.numpy() for tensor in inputs]
    expected = step(*inputs).numpy()

    runs = {"PyTorch": lambda: step(*inputs).numpy()}
    last = Step().eval()
    last.network.channels_last()
    for name, tensor in last.network.w.items():
        setattr(last, name.replace(".", "_"), tensor)
    last_inputs = [tensor.contiguous(memory_format=torch.channels_last) for tensor in inputs]
    runs["PyTorch channels-last"] = lambda: last(*last_inputs).numpy()

    path = folder / "step.onnx"
    torch.onnx.export(step, tuple(inputs), path, input_names=["x", "conditioning"], output_names=["y"], dynamo=True, verbose=False)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = arguments.threads
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    feed = dict(zip(["x", "conditioning"], arrays))
    runs["ONNX Runtime"] = lambda: session.run(None, feed)[0]

    core = openvino.Core()
    for precision in ["f32", "bf16"]:
        config = {"INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": arguments.threads, "PERFORMANCE_HINT": "LATENCY"}
        request = core.compile_model(path, "CPU", config).create_infer_request()
        runs[f"OpenVINO {precision}"] = lambda request=request: request.infer(arrays)[0]

    traced = torch.jit.trace(step, tuple(inputs), check_trace=False)
    traced.save(folder / "step.pt")
    pnnx.convert(str(folder / "step.pt"), tuple(inputs))
    net = ncnn.Net()
    net.opt.num_threads = arguments.threads
    net.opt.use_fp16_packed = net.opt.use_fp16_storage = net.opt.use_fp16_arithmetic = False
    net.load_param(str(folder / "step.ncnn.param"))
    net.load_model(str(folder / "step.ncnn.bin"))
    mats = [ncnn.Mat(array[0]).clone() for array in arrays]

    def run_ncnn(net=net):
        extractor = net.create_extractor()
        for index, mat in enumerate(mats):
            extractor.input(f"in{index}", mat)
        return numpy.array(extractor.extract("out0")[1])[None]

    runs["ncnn"] = run_ncnn
    if arguments.vulkan:
        if ncnn.get_gpu_count() == 0:
            raise SystemExit("ncnn finds no Vulkan device")
        print(f"ncnn on {ncnn.get_gpu_info(0).device_name()}")
        vulkan = ncnn.Net()
        vulkan.opt.use_vulkan_compute = True
        vulkan.opt.use_fp16_packed = vulkan.opt.use_fp16_storage = vulkan.opt.use_fp16_arithmetic = False
        vulkan.load_param(str(folder / "step.ncnn.param"))
        vulkan.load_model(str(folder / "step.ncnn.bin"))
        runs = {"ncnn, Vulkan": lambda: run_ncnn(vulkan)}
    versions = {"PyTorch": torch.__version__, "ONNX Runtime": onnxruntime.__version__, "OpenVINO": openvino.__version__, "ncnn": ncnn.__version__}
    for name, run in runs.items():
        error = numpy.abs(run() - expected).max() / numpy.abs(expected).max()
        print(f"{name}: {error:.1e} from PyTorch")
        if not error < (0.1 if "bf16" in name else 1e-3):
            raise SystemExit(f"{name} computes something else")
    return runs, versions


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default=ROOT / "weights" / "srdiff-s-x4.safetensors")
    parser.add_argument("--wide", action="store_true", help="twice as many channels, random weights")
    parser.add_argument("--vulkan", action="store_true", help="srdiff and ncnn on the first Vulkan device")
    parser.add_argument("--size", type=int, default=160, help="height and width of the result")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2, help="of each engine in a round")
    arguments = parser.parse_args()
    enter_environment()
    import tempfile
    import torch

    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        if arguments.wide:
            torch.manual_seed(0)
            wide = pathlib.Path(folder) / "wide.safetensors"
            write_wide(arguments.model, wide)
            arguments.model = wide
        runs, versions = engines(arguments, pathlib.Path(folder))
        device, half = ("0", "f16") if arguments.vulkan else ("cpu", "bf16")
        times = {name: [] for name in ["srdiff", f"srdiff {half}", *runs]}
        for _ in range(arguments.rounds):
            times["srdiff"].append(srdiff(arguments, device=device))
            times[f"srdiff {half}"].append(srdiff(arguments, f"--{half}", device=device))
            for name, run in runs.items():
                times[name].append(median_time(run, arguments.seconds))
    print(", ".join(f"{name} {version}" for name, version in versions.items()))
    print(f"one U-Net step{' of the wide model' if arguments.wide else ''}, {arguments.size}x{arguments.size}, {arguments.threads} threads, {arguments.rounds} rounds")
    print(f"{'engine':24}{'ms':>8}{'least':>8}{'most':>8}   srdiff / engine   srdiff {half} / engine")
    ours, ours_half = (statistics.median(times[name]) for name in ["srdiff", f"srdiff {half}"])
    for name, values in times.items():
        median = statistics.median(values)
        print(f"{name:24}{median:8.1f}{min(values):8.1f}{max(values):8.1f}   {ours / median:15.2f}   {ours_half / median:20.2f}")


if __name__ == "__main__":
    main()
