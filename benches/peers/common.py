"""What the comparisons with other engines share: an environment to install them
in, times of theirs and of srdiff's, and the table."""
import argparse
import importlib.util
import os
import pathlib
import re
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).parents[2]
ENVIRONMENT = ROOT / "target" / "peers"

# Devices of srdiff that were named.
seen = set()


def enter_environment(packages):
    """Runs the script again with an interpreter that has these packages of PyPI,
    unless this one has them all (on a machine without a network, for instance)."""
    python = ENVIRONMENT / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if pathlib.Path(sys.prefix).resolve() == ENVIRONMENT.resolve():
        return
    if all(importlib.util.find_spec(package) for package in packages):
        return
    installed = ENVIRONMENT / "installed"
    known = installed.read_text().split() if installed.exists() else []
    if not set(packages) <= set(known):
        subprocess.run([sys.executable, "-m", "venv", ENVIRONMENT], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *packages], check=True)
        installed.write_text("\n".join(sorted({*known, *packages})))
    if os.name == "nt":
        # There, execv returns to the shell before the script has ended.
        raise SystemExit(subprocess.run([python, *sys.argv]).returncode)
    os.execv(python, [str(python), *sys.argv])


def usable_cpus():
    """Those that this process may use, where the system tells (Linux)."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count()


def parser(description):
    """The options that all comparisons have."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--model", default=ROOT / "weights" / "srdiff-s-x4.safetensors")
    parser.add_argument("--wide", action="store_true", help="twice as many channels, random weights")
    parser.add_argument("--size", type=int, default=160, help="height and width of the result")
    parser.add_argument("--threads", type=int, default=usable_cpus())
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2, help="of each engine in a round")
    parser.add_argument("--bench", metavar="FILE", help="srdiff's upscale benchmark, built elsewhere [default: cargo bench builds it]")
    return parser


def median_time(work, seconds, finish=lambda: None, calls=1):
    """Median of the times of a call that fit into so many seconds, in ms; `finish`
    waits for so many of them at once."""
    def run():
        for _ in range(calls):
            work()
        finish()

    run()
    times, end = [], time.perf_counter() + seconds
    while len(times) < 5 or time.perf_counter() < end:
        start = time.perf_counter()
        run()
        times.append((time.perf_counter() - start) * 1e3 / calls)
    return statistics.median(times)


def srdiff(arguments, *options, device="cpu"):
    """Median step of one run of the benchmark, in ms."""
    command = [arguments.bench] if arguments.bench else ["cargo", "bench", "--bench", "upscale", "--"]
    command += ["--device", device, "--quick", "--size", str(arguments.size // 4)]
    command += ["--model", str(arguments.model), *options]
    environment = {**os.environ, "RAYON_NUM_THREADS": str(arguments.threads)}
    result = subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True, encoding="utf-8")
    # sampler, steps, milliseconds of model, image, start, step, ...
    rows = re.findall(r"^ +(?:ddpm|ddim|dpm\+\+) +\d+ +\S+ +\S+ +\S+ +(\S+)", result.stdout, re.MULTILINE)
    # Which device, in which precision, with which kernels.
    (name,) = re.findall(r"^.* storage.*$", result.stdout, re.MULTILINE)
    if name not in seen:
        seen.add(name)
        print(f"srdiff: {name}", flush=True)
    return min(float(step) for step in rows)


def write_wide(source, path):
    """A model like `source` with twice as many channels in the U-Net, its weights random."""
    import json
    import math

    import safetensors.torch
    import torch
    from safetensors import safe_open

    torch.manual_seed(0)
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


def check(name, result, expected, bound):
    """Ends the comparison if an engine computes something else than PyTorch in f32."""
    import numpy

    error = numpy.abs(result - expected).max() / numpy.abs(expected).max()
    print(f"{name}: {error:.1e} from PyTorch", flush=True)
    if not error < bound:
        raise SystemExit(f"{name} computes something else")


def compare(arguments, runs, time_of, device, half):
    """Times srdiff's two precisions and all engines in turn, and prints the table."""
    ours = {"srdiff": [], f"srdiff {half}": [f"--{half}"]}
    try:
        srdiff(arguments, f"--{half}", device=device)
    except subprocess.CalledProcessError as refusal:
        reasons = [line for line in refusal.stderr.splitlines() if line.startswith("Error: ")]
        print(f"srdiff {half} is left out:", *reasons)
        del ours[f"srdiff {half}"]
    times = {name: [] for name in [*ours, *runs]}
    for _ in range(arguments.rounds):
        for name, options in ours.items():
            times[name].append(srdiff(arguments, *options, device=device))
        for name, run in runs.items():
            times[name].append(time_of(run))
    print(f"one U-Net step{' of the wide model' if arguments.wide else ''}, {arguments.size}x{arguments.size}, {arguments.threads} threads, {arguments.rounds} rounds")
    width = max(map(len, times)) + 2
    columns = [f"{name} / engine" for name in ours]
    print(f"{'engine':{width}}{'ms':>9}{'least':>9}{'most':>9}", *columns, sep="   ")
    medians = {name: statistics.median(values) for name, values in times.items()}
    for name, values in times.items():
        ratios = [f"{medians[of_ours] / medians[name]:{len(column)}.2f}" for of_ours, column in zip(ours, columns)]
        print(f"{name:{width}}{medians[name]:9.2f}{min(values):9.2f}{max(values):9.2f}", *ratios, sep="   ")
