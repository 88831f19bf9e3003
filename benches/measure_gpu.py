"""Measures all that is worth knowing of a GPU, in one file: whether the kernels are
right there, what `srdiff tune` chooses, a step's time by size and precision, how far
each kernel is from the device's peaks, what a run takes beside the GPU's own time, how
long the first run takes, and PyTorch on the same card if this Python has it with CUDA.

    python benches/measure_gpu.py [--device 0] [--minutes 10] [--out benches/results]

The most telling parts come first, and each has a limit, so that less time gives fewer
parts. The file is written as it goes. Only Python's own library is needed.

For a machine without Rust, pack the programs on another one with the same kind of
processor, and bring the checkout and the pack there:

    python benches/measure_gpu.py --pack programs.tar.xz
    python benches/measure_gpu.py --programs programs.tar.xz
"""
import argparse
import datetime
import json
import lzma
import os
import pathlib
import platform
import re
import signal
import subprocess
import sys
import tarfile
import tempfile
import time

ROOT = pathlib.Path(__file__).parents[1]

# Tests that run on every adapter, and benchmarks.
TESTS = ["parity", "kernels", "noise"]
BENCHES = ["upscale", "kernels", "training"]


def build():
    """Builds all programs: their paths by name."""
    commands = [["build", "--release"], ["test", "--release", *(f"--test={name}" for name in TESTS)], ["bench", *(f"--bench={name}" for name in BENCHES)]]
    programs = {}
    for kind, *options in commands:
        options += [] if kind == "build" else ["--no-run"]
        command = ["cargo", kind, *options, "--message-format=json"]
        built = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, encoding="utf-8").stdout
        for line in built.splitlines():
            message = json.loads(line)
            if message.get("executable") and message["target"]["name"] in ["srdiff", *TESTS, *BENCHES]:
                name = message["target"]["name"]
                kinds = message["target"]["kind"]
                programs[name if "bin" in kinds else f"{kinds[0]}-{name}"] = pathlib.Path(message["executable"])
    missing = expected() - programs.keys()
    if missing:
        raise SystemExit(f"cargo made no {', '.join(sorted(missing))}")
    return {name: programs[name] for name in expected()}


def expected():
    return {"srdiff", *(f"test-{name}" for name in TESTS), *(f"bench-{name}" for name in BENCHES)}


def pack(programs, path):
    """All programs in one archive. Each holds the weights; a dictionary that is long
    enough stores them once."""
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 6, "dict_size": 128 << 20}]
    with tempfile.TemporaryDirectory() as folder, lzma.open(path, "wb", filters=filters) as file, tarfile.open(fileobj=file, mode="w") as archive:
        for name, program in sorted(programs.items()):
            # On Windows, symbols lie in files of their own.
            stripped = pathlib.Path(folder) / name
            can_strip = os.name != "nt"
            if can_strip:
                subprocess.run(["strip", "-o", stripped, program], check=True)
            archive.add(stripped if can_strip else program, f"{name}{program.suffix}")
    print(f"{path}: {path.stat().st_size >> 20} MiB")


def unpack(path, folder):
    if path.is_dir():
        folder = path
    else:
        with tarfile.open(path) as archive:
            archive.extractall(folder, filter="data")
    suffix = ".exe" if os.name == "nt" else ""
    programs = {name: pathlib.Path(folder).resolve() / f"{name}{suffix}" for name in expected()}
    missing = [name for name, program in programs.items() if not program.exists()]
    if missing:
        raise SystemExit(f"{path}: holds no {', '.join(sorted(missing))}")
    return programs


def stop(process):
    """Ends a process with what it has started itself."""
    if os.name == "nt":
        subprocess.run(["taskkill", "/F", "/T", "/PID", str(process.pid)], capture_output=True)
        process.kill()
    else:
        os.killpg(process.pid, signal.SIGKILL)


class Report:
    """A file of sections, each with its command, what that printed and took."""

    def __init__(self, path, minutes):
        self.path = path
        self.end = time.monotonic() + 60 * minutes
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("", encoding="utf-8")

    def write(self, text):
        with self.path.open("a", encoding="utf-8") as file:
            file.write(text)
        print(text, end="", flush=True)

    def run(self, title, seconds, command, environment={}, last=None):
        """Runs a command for so many seconds at most; `last` keeps only the last lines."""
        left = self.end - time.monotonic()
        words = " ".join(pathlib.Path(word).name if pathlib.Path(word).is_absolute() else word for word in map(str, command))
        if left < min(seconds, 5):
            self.write(f"\n== {title}: no time left ({words})\n")
            return
        self.write(f"\n== {title}: {words}\n")
        start = time.monotonic()
        process = subprocess.Popen(
            list(map(str, command)), cwd=ROOT, env={**os.environ, **environment},
            encoding="utf-8", errors="replace",
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        )
        try:
            output, _ = process.communicate(timeout=min(seconds, left))
            end = f"code {process.returncode}"
        except subprocess.TimeoutExpired:
            stop(process)
            output, _ = process.communicate()
            end = "stopped"
        lines = output.splitlines()
        self.write("\n".join(lines[-last:] if last else lines) + f"\n-- {end} after {time.monotonic() - start:.1f} s\n")


def measure(report, programs, device, adapter, has_cuda):
    """The parts, the most telling first."""
    srdiff, upscale, kernels = programs["srdiff"], programs["bench-upscale"], programs["bench-kernels"]
    precisions = ["f32", "f16"] if adapter["f16"] else ["f32"]
    options = {"f32": [], "f16": ["--f16"]}
    of_tests = {"SRDIFF_REQUIRE_GPU": "1", "SRDIFF_FIXTURES": str(ROOT / "tests/fixtures")}
    report.run("right: whole models", 60, [programs["test-parity"]], of_tests, last=12)
    report.run("right: noise", 60, [programs["test-noise"], "gpu"], of_tests, last=12)
    # The command takes software only by name.
    named = adapter["name"] if adapter["kind"] == "Software" else device
    for precision in precisions:
        tune = [srdiff, "tune", "--device", named, "--precision", precision, "--size", "40x40,128x128", "--budget", 40]
        report.run(f"tuned in {precision}", 90, tune)
    for precision in precisions:
        for size in [128, 40, 256]:
            report.run(f"steps, {precision}", 40, [upscale, "--bench", "--device", device, "--quick", "--size", size, *options[precision]])
    if has_cuda:
        for size in [512, 160]:
            peers = [sys.executable, ROOT / "benches/peers/cuda_engines.py", "--vulkan", device, "--bench", upscale, "--size", size]
            report.run("beside PyTorch", 80, [*peers, "--rounds", 3, "--seconds", 0.5, "--compile", "none"])
    for precision in precisions:
        report.run(f"roofline, {precision}", 60, [kernels, "--bench", "--device", device, "--roofline", "--size", 128, *options[precision]])
    report.run("overhead", 30, [upscale, "--bench", "--device", device, "--overhead", "--size", 40])
    start = [sys.executable, ROOT / "benches/startup.py", srdiff, "--device", named, "--rounds", 3]
    report.run("first and second run", 60, start)
    report.run("scaling", 60, [upscale, "--bench", "--device", device, "--scaling"])
    report.run("right: every kernel", 240, [programs["test-kernels"]], of_tests, last=24)
    for precision in reversed(precisions):
        every = [kernels, "--bench", "--device", device, "--variants", "--quick", "--filter", "conv2d", *options[precision]]
        report.run(f"every kernel, {precision}", 90, every)
    report.run("training", 60, [programs["bench-training"], "--bench", "--device", device, "--size", 24, "--batch", 8])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="0", help="index of `srdiff devices`")
    parser.add_argument("--minutes", type=float, default=10, help="after which nothing more is begun and what runs is stopped")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "benches" / "results", help="folder of the file")
    parser.add_argument("--pack", type=pathlib.Path, metavar="FILE", help="build the programs and pack them, no more")
    parser.add_argument("--programs", type=pathlib.Path, metavar="FILE", help="packed programs, or the folder of unpacked ones")
    arguments = parser.parse_args()
    if arguments.pack:
        pack(build(), arguments.pack)
        return
    with tempfile.TemporaryDirectory() as folder:
        programs = unpack(arguments.programs, folder) if arguments.programs else build()
        listed = subprocess.run([programs["srdiff"], "devices", "--json"], check=True, stdout=subprocess.PIPE, encoding="utf-8")
        adapters = json.loads(listed.stdout)["adapters"]
        found = [adapter for adapter in adapters if str(adapter["index"]) == arguments.device]
        if not found:
            raise SystemExit(f"--device {arguments.device}: there is no such adapter; srdiff finds {[adapter['name'] for adapter in adapters]}")
        (adapter,) = found
        try:
            import torch

            has_cuda = torch.cuda.is_available()
        except ImportError:
            has_cuda = False
        name = re.sub("[^a-z0-9]+", "-", adapter["name"].lower()).strip("-")
        report = Report(arguments.out.resolve() / f"gpu-{name}.txt", arguments.minutes)
        machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPU threads"
        report.write(f"{datetime.date.today()}, {machine}\n{json.dumps(adapter, indent=2)}\n")
        measure(report, programs, arguments.device, adapter, has_cuda)
        print(f"\n{report.path}")


if __name__ == "__main__":
    main()
