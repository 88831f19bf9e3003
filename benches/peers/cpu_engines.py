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
import pathlib
import tempfile

import common

PACKAGES = ["torch", "numpy", "safetensors", "onnx", "onnxscript", "onnxruntime", "openvino", "ncnn", "pnnx"]


def engines(arguments, folder):
    """For each engine, a function that runs the step and returns its result."""
    import ncnn
    import numpy
    import onnxruntime
    import openvino
    import pnnx
    import torch
    from pytorch_unet import Step

    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    x = torch.randn(1, 3, arguments.size, arguments.size)

    step = Step(arguments.model)
    conditioning = torch.randn(1, step.network.hidden, arguments.size, arguments.size)
    inputs = [x, conditioning]
    arrays = [tensor.numpy() for tensor in inputs]
    expected = step(*inputs).numpy()

    runs = {"PyTorch": lambda: step(*inputs).numpy()}
    last = Step(arguments.model, layout=torch.channels_last)
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
        common.check(name, run(), expected, 0.1 if "bf16" in name else 1e-3)
    return runs, versions


def main():
    parser = common.parser(__doc__.splitlines()[0])
    parser.add_argument("--vulkan", action="store_true", help="srdiff and ncnn on the first Vulkan device")
    parser.add_argument("--engines", nargs="+", metavar="NAME", help="time these alone")
    arguments = parser.parse_args()
    common.enter_environment(PACKAGES)
    import torch

    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        if arguments.wide:
            wide = pathlib.Path(folder) / "wide.safetensors"
            common.write_wide(arguments.model, wide)
            arguments.model = wide
        runs, versions = engines(arguments, pathlib.Path(folder))
        if arguments.engines:
            runs = {name: runs[name] for name in arguments.engines}
        print(", ".join(f"{name} {version}" for name, version in versions.items()))
        device, half = ("0", "f16") if arguments.vulkan else ("cpu", "bf16")
        common.compare(arguments, runs, lambda run: common.median_time(run, arguments.seconds), device, half)


if __name__ == "__main__":
    main()
