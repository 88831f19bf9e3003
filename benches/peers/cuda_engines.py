"""Times one U-Net step of a model on a GPU in srdiff (Vulkan, f32 and f16) and in
PyTorch: cuDNN in f32 without TF32, in f32 with channels last, in TF32 and in f16
(both channels last), each eager, as a CUDA graph and by torch.compile.

    srdiff tune --device 0 && srdiff tune --device 0 --precision f16
    python benches/peers/cuda_engines.py [--size 512] [--rounds 5] [--wide] [--vulkan 0]

Without the first line, srdiff is timed with its usual kernels. Installs PyTorch from
PyPI into the environment of cpu_engines.py (target/peers), once, unless this Python
has it.
Each engine's result is compared with PyTorch's in f32 on the CPU first. In each
round every engine runs in turn; what is printed are medians over the rounds of
each round's median, and the ratios of srdiff's (in f32 and in f16) to them.
Steps follow each other without waiting, as in srdiff's benchmark, whose time
includes the sampler's update, which PyTorch leaves out.

NOT TRIED ON A CARD YET: no CUDA device was there when this was written. What has
run is `--device cpu --size 32` with a Vulkan driver in software: all of it but
CUDA graphs, which the CPU has none of.
"""
import pathlib
import tempfile

import common

PACKAGES = ["torch", "numpy", "safetensors"]

# Steps that are queued before they are waited for.
QUEUED = 10


def graph_of(run):
    """The same as a CUDA graph: its kernels are launched all at once."""
    import torch

    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            run()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        result = run()

    def replay():
        graph.replay()
        return result

    return replay


def engines(arguments):
    """For each engine, a function that runs the step and returns its result."""
    import torch
    from pytorch_unet import Step

    device, is_cuda = arguments.device, arguments.device.startswith("cuda")
    torch.set_num_threads(arguments.threads)
    torch.backends.cudnn.benchmark = True
    torch.manual_seed(0)
    reference = Step(arguments.model)
    x = torch.randn(1, 3, arguments.size, arguments.size)
    conditioning = torch.randn(1, reference.network.hidden, arguments.size, arguments.size)
    expected = reference(x, conditioning).numpy()

    # Name, number format, TF32, layout, bound of the error.
    tiers = [
        ("f32", torch.float32, False, torch.contiguous_format, 1e-3),
        ("f32 channels-last", torch.float32, False, torch.channels_last, 1e-3),
        ("TF32 channels-last", torch.float32, True, torch.channels_last, 2e-2),
        ("f16 channels-last", torch.float16, True, torch.channels_last, 5e-2),
    ]
    runs = {}
    for tier, dtype, tf32, layout, bound in tiers:
        step = Step(arguments.model, device, dtype, layout)
        inputs = [tensor.to(device, dtype, memory_format=layout) for tensor in [x, conditioning]]

        def with_settings(work, tf32=tf32):
            def run():
                torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = tf32
                return work()

            return run

        eager = with_settings(lambda step=step, inputs=inputs: step(*inputs))
        modes = {"eager": lambda: eager}
        if is_cuda:
            modes["CUDA graph"] = lambda: with_settings(graph_of(eager))
        if arguments.compile != "none":
            compiled = torch.compile(step, mode=arguments.compile)
            modes["compiled"] = lambda: with_settings(lambda inputs=inputs, compiled=compiled: compiled(*inputs))
        for mode, make in modes.items():
            name = f"PyTorch {tier}, {mode}"
            try:
                run = make()
                result = run().float().cpu().numpy()
            except Exception as error:
                # No compiler for torch.compile, for instance.
                print(f"{name} is left out: {str(error).strip().splitlines()[:1]}", flush=True)
                continue
            common.check(name, result, expected, bound)
            runs[name] = run
    finish = torch.cuda.synchronize if is_cuda else lambda: None
    return runs, finish


def main():
    parser = common.parser(__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda", help="PyTorch's device: cuda, cuda:1 or cpu")
    parser.add_argument("--vulkan", default="0", help="srdiff's device, as `srdiff devices` lists it; it should be the same card")
    parser.add_argument("--compile", default="reduce-overhead", help="the mode of torch.compile, or none")
    arguments = parser.parse_args()
    common.enter_environment(PACKAGES)
    import torch

    if arguments.device.startswith("cuda"):
        if not torch.cuda.is_available():
            raise SystemExit("PyTorch finds no CUDA device; --device cpu tries this script without one")
        # "cuda" alone names no card, which set_device wants.
        torch.cuda.set_device(torch.device(arguments.device).index or 0)
        name = f"{torch.cuda.get_device_name()}, CUDA {torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}"
    else:
        name = "the CPU"
    print(f"PyTorch {torch.__version__} on {name}; srdiff on Vulkan device {arguments.vulkan}")
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        if arguments.wide:
            wide = pathlib.Path(folder) / "wide.safetensors"
            common.write_wide(arguments.model, wide)
            arguments.model = wide
        runs, finish = engines(arguments)
        time_of = lambda run: common.median_time(run, arguments.seconds, finish, QUEUED)
        common.compare(arguments, runs, time_of, arguments.vulkan, "f16")


if __name__ == "__main__":
    main()
