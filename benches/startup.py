"""Times whole runs of `srdiff upscale` of a 32x32 image, where starting is most of it:
wall and CPU time, with an empty cache folder (first) and again (second).

    cargo build --release
    python benches/startup.py target/release/srdiff [OTHER_BUILD ...] [--device cpu --steps 5] [--rounds 7]

Builds run in turn; what is printed are medians over the rounds. Linux and macOS.
"""
import argparse
import os
import pathlib
import resource
import statistics
import struct
import subprocess
import tempfile
import time
import zlib

SIDE = 32


def write_png(path):
    """An image with some structure, written without other packages."""
    rows = b"".join(b"\0" + bytes(v * k % 256 for v in range(row, row + SIDE) for k in (5, 7, 11)) for row in range(SIDE))
    chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    header = struct.pack(">IIBBBBB", SIDE, SIDE, 8, 2, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def run(command, cache):
    """Wall and CPU time, in ms."""
    def used():
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    before, start = used(), time.perf_counter()
    subprocess.run(command, env={**os.environ, "SRDIFF_CACHE_DIR": str(cache)}, check=True)
    return (time.perf_counter() - start) * 1e3, (used() - before) * 1e3


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("builds", nargs="+", type=pathlib.Path)
    parser.add_argument("--device", default="cpu", help="as srdiff takes it")
    parser.add_argument("--steps", default="5")
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    times = {(build, number): [] for build in arguments.builds for number in ["first", "second"]}
    with tempfile.TemporaryDirectory() as folder:
        image = pathlib.Path(folder) / "image.png"
        write_png(image)
        options = ["-q", "--force", "--seed", "1", "-d", arguments.device, "-n", arguments.steps]
        for round in range(arguments.rounds + 1):
            for index, build in enumerate(arguments.builds):
                cache = pathlib.Path(folder) / f"cache-{round}-{index}"
                for number in ["first", "second"]:
                    measured = run([build, "upscale", image, "-o", f"{folder}/result.png", *options], cache)
                    # The first round reads the files of the build from the disk.
                    if round > 0:
                        times[build, number].append(measured)
    print(f"{'':8}{'wall ms':>9}{'CPU ms':>9}   {arguments.device}, {arguments.steps} steps, median of {arguments.rounds}")
    for (build, number), measured in times.items():
        wall, cpu = (statistics.median(column) for column in zip(*measured))
        print(f"{number:8}{wall:9.0f}{cpu:9.0f}   {build}")


if __name__ == "__main__":
    main()
