"""Compares the picture decoders with Pillow (libjpeg-turbo, libtiff, libwebp, libavif).

Needs: pip install pillow pillow-jxl-plugin numpy tifffile imagecodecs; cjpeg (package
libjpeg-turbo-progs) for the kinds of JPEG that Pillow does not write.
Run from the repository's root:

    cargo build --release --features avif,jxl --example decode_pictures
    python3 benches/peers/picture_decoders.py [jpegs] [tiffs] [avifs] [others]

Makes several hundred files of every kind it can, and lists those whose mean
error is a level of 8 bits or more (AVIF: see `limit`), and those that are refused.
"""

import itertools
import re
import struct
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path

import imagecodecs
import numpy as np
import pillow_jxl  # noqa: F401, registers JPEG XL
import tifffile
from PIL import Image, ImageCms, ImageFilter, ImageOps

DECODER = "target/release/examples/decode_pictures"
SIZES = [(17, 13), (64, 48), (1, 1), (33, 40), (5, 3)]


def picture(width, height, channels, seed=0):
    """A picture of soft blots."""
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, channels), np.uint8)
    planes = [Image.fromarray(noise[:, :, c]).filter(ImageFilter.GaussianBlur(2)) for c in range(channels)]
    values = np.stack([np.asarray(p) for p in planes], -1).astype(float)
    values = (values - values.min()) / max(np.ptp(values), 1) * 255
    return values.astype(np.uint8)


def image(width, height, mode):
    array = picture(width, height, max(1, len(mode.rstrip("a"))))
    return Image.fromarray(array[:, :, 0] if mode == "L" else array, mode)


def cjpeg(folder, name, picture, *options):
    source = folder / "source.ppm"
    picture.save(source)
    target = folder / f"{name}.jpg"
    result = subprocess.run(["cjpeg", "-quality", "95", *options, "-outfile", target, source], capture_output=True)
    if result.returncode:
        target.unlink(missing_ok=True)
    source.unlink()


def jpegs(folder):
    samplings = [
        "1x1", "2x1", "1x2", "2x2", "4x1", "1x4", "4x2", "2x4", "3x1", "1x3",
        "1x1,2x2,2x2", "1x1,2x1,2x1", "1x1,1x2,1x2", "2x2,2x1,1x1", "2x2,1x2,2x1",
        "2x2,2x2,1x1", "2x1,2x1,2x1", "4x2,2x1,1x1",
    ]
    scans = {"all": "0 1 2;", "separate": "0;\n1;\n2;", "luma": "0;\n1 2;"}
    script = folder / "scans"
    for (w, h), sampling in itertools.product(SIZES, samplings):
        name = f"{sampling.replace(',', '_')}-{w}x{h}"
        rgb = image(w, h, "RGB")
        for kind, text in scans.items():
            script.write_text(text)
            for restart in [[], ["-restart", "1B"], ["-restart", "1"]]:
                options = ["-sample", sampling, "-scans", script, *restart]
                cjpeg(folder, f"{name}-{kind}{''.join(restart)}", rgb, *options)
        cjpeg(folder, f"{name}-progressive", rgb, "-sample", sampling, "-progressive")
        cjpeg(folder, f"{name}-arithmetic", rgb, "-sample", sampling, "-arithmetic")
        cjpeg(folder, f"{name}-arithmetic-progressive", rgb, "-sample", sampling, "-arithmetic", "-progressive")
    script.unlink()
    for w, h in SIZES:
        for sampling in ["1x1", "2x2", "2x1", "4x4"]:
            cjpeg(folder, f"gray{sampling}-{w}x{h}", image(w, h, "L"), "-sample", sampling)
            cjpeg(folder, f"gray{sampling}-{w}x{h}-p", image(w, h, "L"), "-sample", sampling, "-progressive")
        cjpeg(folder, f"rgb-{w}x{h}", image(w, h, "RGB"), "-rgb")
        for quality in [1, 30, 75, 100]:
            image(w, h, "RGB").save(folder / f"q{quality}-{w}x{h}.jpg", quality=quality)
        image(w, h, "CMYK").save(folder / f"cmyk-{w}x{h}.jpg", quality=95)
        image(w, h, "CMYK").save(folder / f"cmyk-p-{w}x{h}.jpg", quality=95, progressive=True)


def tiffs(folder):
    """Files for tifffile to read, and files for Pillow."""
    count = itertools.count()
    for (w, h), dtype, channels in itertools.product([(17, 13), (64, 48), (33, 40)], ["uint8", "uint16", "uint32"], [1, 2, 3, 4]):
        array = picture(w, h, channels).astype(np.uint64)
        array = (array * {"uint8": 1, "uint16": 257, "uint32": 16843009}[dtype]).astype(dtype)
        layouts = [{}, {"tile": (16, 16)}, {"rowsperstrip": 3}, {"bigtiff": True}, {"byteorder": ">"}]
        for layout, compression, planar in itertools.product(
            layouts, [None, "lzw", "zlib", "packbits", "jpeg"], [False, True]
        ):
            if compression == "jpeg" and (dtype != "uint8" or channels in (2, 4)):
                continue
            planar = planar and channels > 1
            data = np.moveaxis(array, -1, 0) if planar else array
            for predictor in [None, 2] if compression in ("lzw", "zlib") else [None]:
                kind = "t" if "tile" in layout else "r" if "rowsperstrip" in layout else "".join(layout)
                name = f"tf-{w}x{h}-{dtype}-{channels}-{kind}-{compression}-{'planar' if planar else ''}-{predictor}"
                tifffile.imwrite(
                    folder / f"{name}-{next(count)}.tif",
                    np.ascontiguousarray(data if channels > 1 else data[:, :, 0]),
                    photometric="rgb" if channels > 2 else "minisblack",
                    planarconfig=("separate" if planar else "contig") if channels > 1 else None,
                    extrasamples=["unassalpha"] if channels in (2, 4) else None,
                    compression=compression,
                    predictor=predictor,
                    metadata=None,
                    **layout,
                )
    for w, h in SIZES:
        bits = Image.fromarray(picture(w, h, 1)[:, :, 0]).convert("1")
        for compression in ["raw", "tiff_ccitt", "group3", "group4", "packbits", "tiff_lzw", "tiff_adobe_deflate"]:
            bits.save(folder / f"bits-{w}x{h}-{compression}.tif", compression=compression)
            bits.save(folder / f"bits-fill-{w}x{h}-{compression}.tif", compression=compression, tiffinfo={266: 2})
        for mode in ["L", "P", "RGB", "CMYK", "LA", "RGBA"]:
            source = image(w, h, "RGB").quantize(16) if mode == "P" else None
            source = source or (image(w, h, "CMYK") if mode == "CMYK" else image(w, h, "RGB").convert(mode))
            for compression in ["raw", "tiff_lzw", "tiff_adobe_deflate", "packbits"]:
                source.save(folder / f"{mode}-{w}x{h}-{compression}.tif", compression=compression)
        for options in [1, 4, 5]:
            bits.save(folder / f"bits-{w}x{h}-group3-{options}.tif", compression="group3", tiffinfo={292: options})
        image(w, h, "RGB").save(folder / f"ycbcr-{w}x{h}.tif", compression="jpeg", quality=95)
        image(w, h, "RGB").convert("YCbCr").save(folder / f"ycbcr-mode-{w}x{h}.tif", compression="jpeg", quality=95)
        lab = ImageCms.profileToProfile(image(w, h, "RGB"), ImageCms.createProfile("sRGB"), LAB, outputMode="LAB")
        for compression in ["raw", "tiff_lzw"]:
            lab.save(folder / f"lab-{w}x{h}-{compression}.tif", compression=compression)
        for subsampling in itertools.product([1, 2, 4], [1, 2, 4]):
            for planar, rows in itertools.product([False, True], [h, 8]):
                name = f"luma-{w}-{h}-{subsampling[0]}-{subsampling[1]}-{'planar' if planar else ''}-{rows}.tif"
                (folder / name).write_bytes(ycbcr_tiff(image(w, h, "RGB"), subsampling, planar, rows))
    for (w, h), dtype, channels in itertools.product([(17, 13), (64, 48)], ["float16", "float32", "float64"], [1, 2, 3, 4]):
        array = (picture(w, h, channels) / 255).astype(dtype)
        layouts = [{}, {"tile": (16, 16)}, {"rowsperstrip": 3}, {"byteorder": ">"}]
        for layout, compression in itertools.product(layouts, [None, "lzw", "zlib"]):
            for predictor in [None, 3] if compression else [None]:
                tifffile.imwrite(
                    folder / f"tf-{w}x{h}-{dtype}-{channels}-{next(count)}-{compression}--{predictor}.tif",
                    array if channels > 1 else array[:, :, 0],
                    photometric="rgb" if channels > 2 else "minisblack",
                    extrasamples=["unassalpha"] if channels in (2, 4) else None,
                    compression=compression,
                    predictor=predictor,
                    metadata=None,
                    **layout,
                )
    for w, h in SIZES:
        for photometric in ["cielab", "icclab", "separated"]:
            array = picture(w, h, 4 if photometric == "separated" else 3).astype(np.uint16) * 257
            for compression in [None, "zlib"]:
                tifffile.imwrite(
                    folder / f"{photometric}16-{w}x{h}-{compression}.tif",
                    array,
                    photometric=photometric,
                    compression=compression,
                    metadata=None,
                )


LAB = ImageCms.createProfile("LAB")


def subsampled(rgb, sx, sy):
    """Luma and chroma, the padded luma in blocks, and chroma averaged over them."""
    pixels = np.asarray(rgb.convert("YCbCr"))
    height, width = pixels.shape[:2]
    padded = np.pad(pixels, ((0, -height % sy), (0, -width % sx), (0, 0)), mode="edge")
    blocks = padded.reshape(padded.shape[0] // sy, sy, padded.shape[1] // sx, sx, 3)
    return pixels, blocks, blocks.astype(float).mean((1, 3)).round().astype(np.uint8)[:, :, 1:]


def ycbcr_tiff(rgb, subsampling, planar, rows):
    """A deflated TIFF file of luma and chroma."""
    sx, sy = subsampling
    pixels, blocks, chroma = subsampled(rgb, sx, sy)
    height, width = pixels.shape[:2]
    strips = []
    for first in range(0, height, rows):
        last = min(first + rows, height)
        inside = slice(first // sy, -(-last // sy))
        if planar:
            strips.append((0, pixels[first:last, :, 0]))
            strips += [(1 + c, chroma[inside, :, c]) for c in range(2)]
        else:
            luma = blocks[inside, :, :, :, 0].transpose(0, 2, 1, 3).reshape(-1, blocks.shape[2], sx * sy)
            strips.append((0, np.concatenate([luma, chroma[inside]], 2)))
    strips.sort(key=lambda strip: strip[0])
    data = [zlib.compress(np.ascontiguousarray(values).tobytes()) for _, values in strips]
    count = len(data)
    tags = [
        (256, 3, [width]), (257, 3, [height]), (258, 3, [8, 8, 8]), (259, 3, [8]), (262, 3, [6]),
        (273, 4, [0] * count), (277, 3, [3]), (278, 3, [rows]), (279, 4, [len(d) for d in data]),
        (284, 3, [2 if planar else 1]), (530, 3, [sx, sy]), (532, 5, [0, 1, 255, 1, 128, 1, 255, 1, 128, 1, 255, 1]),
    ]  # fmt: skip
    for _ in range(2):
        # The second time, the offsets are known.
        extra, entries, start = b"", b"", 8 + 2 + 12 * len(tags) + 4
        for tag, kind, values in tags:
            packed = struct.pack(f"<{len(values)}{'H' if kind == 3 else 'I'}", *values)
            number = len(values) // (2 if kind == 5 else 1)
            if len(packed) > 4:
                where, extra = start + len(extra), extra + packed + b"\0" * (len(packed) % 2)
                packed = struct.pack("<I", where)
            entries += struct.pack("<HHI", tag, kind, number) + packed.ljust(4, b"\0")
        offsets = [start + len(extra) + sum(map(len, data[:i])) for i in range(count)]
        tags[5] = (273, 4, offsets)
    head = b"II*\0" + struct.pack("<IH", 8, len(tags))
    return head + entries + b"\0" * 4 + extra + b"".join(data)


def lab_levels(array, icc):
    """CIE L*a*b* of 16 bits under D50 as levels of sRGB."""
    array = array.astype(float)
    lightness = array[:, :, 0] * 100 / (65280 if icc else 65535)
    a, b = [((v - 32768) if icc else (v + 32768) % 65536 - 32768) / 256 for v in (array[:, :, 1], array[:, :, 2])]
    y = (lightness + 16) / 116
    f = np.stack([y + a / 500, y, y - b / 200], -1)
    xyz = np.where(f > 6 / 29, f**3, (f - 4 / 29) * 108 / 841) * [0.9642, 1, 0.8249]
    light = xyz @ np.array([
        [3.1338561, -1.6168667, -0.4906146], [-0.9787684, 1.9161415, 0.0334540], [0.0719453, -0.2289914, 1.4052427],
    ]).T  # fmt: skip
    light = light.clip(0, 1)
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055) * 255


def avifs(folder):
    """Files from Pillow, and from imagecodecs those that Pillow does not write or read in full."""
    samplings = ["4:2:0", "4:2:2", "4:4:4", "4:0:0"]
    for (w, h), sampling, limits, mode in itertools.product(SIZES, samplings, ["full", "limited"], ["RGB", "RGBA"]):
        source = image(w, h, "RGB").convert(mode)
        if mode == "RGBA":
            source.putalpha(image(w, h, "L"))
        for quality, premultiplied in [(100, False), (40, False), (90, True)]:
            name = f"{mode}-{w}x{h}-{sampling.replace(':', '')}-{limits}-{quality}{'-p' * premultiplied}.avif"
            options = {"subsampling": sampling, "range": limits, "quality": quality}
            source.save(folder / name, alpha_premultiplied=premultiplied, **options)
    for turned in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = turned
        image(33, 40, "RGB").save(folder / f"turned{turned}.avif", exif=exif, quality=95)
    noisy = {"film-grain-test": "1"}
    image(64, 48, "RGB").save(folder / "grain.avif", advanced=noisy)
    image(300, 200, "RGB").save(folder / "tiles.avif", tile_rows=1, tile_cols=1)
    for mode, sampling in itertools.product(["RGB", "RGBA"], ["4:2:0", "4:4:4"]):
        # A part that moves on the whole.
        frames = [image(65, 47, mode) for _ in range(6)]
        for at, frame in enumerate(frames):
            frame.paste(image(20, 20, mode), (7 * at, 3 * at))
        for at in range(len(frames)):
            name = f"{mode}-frame{at}-{sampling.replace(':', '')}.avif"
            frames[0].save(folder / name, save_all=True, append_images=frames[1:], subsampling=sampling)
    for (w, h), bits, sampling in itertools.product(SIZES, [8, 10, 12], ["yuv420", "yuv422", "yuv444", "yuv400"]):
        for channels, matrix in itertools.product([3, 4], [0, 1, 4, 5, 6, 7, 9]):
            if matrix == 0 and sampling != "yuv444":
                continue
            array = picture(w, h, channels).astype(np.uint16) << (bits - 8)
            options = {"bitspersample": bits, "pixelformat": sampling, "matrix": matrix, "speed": 8}
            data = imagecodecs.avif_encode(array.astype(np.uint8) if bits == 8 else array, 95, **options)
            (folder / f"avif{bits}-{w}x{h}-{sampling}-{channels}-{matrix}.avif").write_bytes(data)


def others(folder):
    for w, h in SIZES:
        for mode in ["1", "L", "P", "RGB", "RGBA"]:
            source = image(w, h, "RGB").quantize(16) if mode == "P" else image(w, h, "RGB").convert(mode)
            if mode == "RGBA":
                source.putalpha(image(w, h, "L"))
            source.save(folder / f"{mode}-{w}x{h}.bmp")
            source.save(folder / f"{mode}-{w}x{h}.png")
            source.save(folder / f"{mode}-{w}x{h}.gif")
            source.save(folder / f"{mode}-{w}x{h}-i.gif", interlace=1)
            if mode in ("RGB", "RGBA"):
                source.save(folder / f"{mode}-{w}x{h}.webp", quality=90)
                source.save(folder / f"{mode}-{w}x{h}-l.webp", lossless=True, exact=True)
            if mode in ("1", "L", "RGB"):
                suffix = {"1": "pbm", "L": "pgm", "RGB": "ppm"}[mode]
                source.save(folder / f"{mode}-{w}x{h}.{suffix}")
        wide = Image.fromarray(picture(w, h, 1)[:, :, 0].astype(np.uint16) * 257)
        wide.save(folder / f"16-{w}x{h}.png")
        wide.save(folder / f"16-{w}x{h}.pgm")
        image(w, h, "L").convert("LA").save(folder / f"LA-{w}x{h}.png")
        for mode, quality in itertools.product(["L", "LA", "RGB", "RGBA"], [100, 90, 50]):
            source = image(w, h, "RGB").convert(mode)
            if mode.endswith("A"):
                source.putalpha(image(w, h, "L"))
            source.save(folder / f"{mode}-{w}x{h}-{quality}.jxl", quality=quality, lossless=quality == 100)
        for channels in [1, 3, 4]:
            array = np.squeeze(picture(w, h, channels).astype(np.uint16) * 257)
            if array.ndim > 1:
                (folder / f"jxl16-{w}x{h}-{channels}.jxl").write_bytes(imagecodecs.jpegxl_encode(array, lossless=True))
        for bits in [1, 2, 4]:
            image(w, h, "L").quantize(2**bits).save(folder / f"p{bits}-{w}x{h}.png", bits=bits)


def levels(array):
    """Levels of 8 bits as floats, RGBA."""
    scale = {"uint8": 1, "uint16": 257, "uint32": 16843009}.get(str(array.dtype), 1 / 255)
    array = array.astype(float) / scale
    if array.ndim == 2:
        array = array[:, :, None]
    count = array.shape[2]
    color = array[:, :, :3] if count > 2 else np.repeat(array[:, :, :1], 3, 2)
    alpha = array[:, :, -1:] if count in (2, 4) else np.full(array.shape[:2] + (1,), 255.0)
    return np.concatenate([color, alpha], 2)


def expected(path):
    if path.name.startswith("tf-"):
        array = tifffile.imread(path)
        channels = int(path.name.split("-")[3])
        if array.ndim == 3 and "-planar-" in path.name:
            array = np.moveaxis(array, 0, -1)
        return levels(array.reshape(array.shape[:2] + (channels,)))
    if path.name.startswith("luma-"):
        # libtiff reads only some of these.
        w, h, sx, sy = map(int, path.name.split("-")[1:5])
        pixels, _, chroma = subsampled(image(w, h, "RGB"), sx, sy)
        chroma = chroma.repeat(sy, 0).repeat(sx, 1)[:h, :w]
        pixels = np.concatenate([pixels[:, :, :1], chroma], 2)
        return levels(np.asarray(Image.fromarray(pixels, "YCbCr").convert("RGB")))
    if path.name.startswith("jxl16-"):
        return levels(imagecodecs.jpegxl_decode(path.read_bytes()))
    if path.name.startswith("avif"):
        bits = int(path.name[4:].split("-")[0])
        array = imagecodecs.avif_decode(path.read_bytes())
        return levels((array * (65535 / (2**bits - 1))).round().astype(np.uint16))
    if path.name.startswith(("cielab16", "icclab16")):
        color = lab_levels(tifffile.imread(path), path.name.startswith("icclab"))
        return np.concatenate([color, np.full_like(color[:, :, :1], 255)], 2)
    if path.name.startswith("separated16"):
        ink = 65535 - tifffile.imread(path).astype(float)
        return levels((ink[:, :, :3] * ink[:, :, 3:] / 65535).round().astype(np.uint16))
    with Image.open(path) as source:
        if source.mode == "LAB":
            # LittleCMS is off by 20 levels for some saturated colours.
            array = np.asarray(source).astype(np.uint16)
            color = lab_levels(np.concatenate([array[:, :, :1] * 257, array[:, :, 1:] * 256], 2), False)
            return np.concatenate([color, np.full_like(color[:, :, :1], 255)], 2)
        if source.mode == "CMYK":
            ink = np.asarray(source).astype(float)
            return levels(np.round((255 - ink[:, :, :3]) * (255 - ink[:, :, 3:]) / 255).astype(np.uint8))
        if source.mode in ("I;16", "I"):
            return levels(np.asarray(source).astype(np.uint16))
        if source.format == "AVIF":
            source.seek(frame_of(path) or 0)
            source = ImageOps.exif_transpose(source)
        return levels(np.asarray(source.convert("RGBA")))


def frame_of(path):
    """The frame of an animation that is compared."""
    kind = re.search(r"-frame(\d)-", path.name)
    return kind and int(kind[1])


def limit(name):
    """The mean error of a file that is wrong."""
    kind = re.match(r"avif(8|10|12)-.*-(\d)\.avif", name)
    if kind and (kind[1] != "8" or kind[2] in "047"):
        return 0.2
    # libavif leaves the other kinds of 8 bits to libyuv, which rounds coarsely.
    return 1


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        kinds = {make.__name__: make for make in (jpegs, tiffs, avifs, others)}
        for kind in sys.argv[1:] or kinds:
            kinds[kind](folder)
        files = sorted(folder.iterdir())
        results = folder / "results"
        results.mkdir()
        pairs = [(file, results / f"{file.name}.tif") for file in files]
        frames = [frame_of(file) for file in files]
        frames = ["" if frame is None else f"\t{frame}" for frame in frames]
        lines = "".join(f"{file}\t{result}{frame}\n" for (file, result), frame in zip(pairs, frames))
        run = subprocess.run([DECODER], input=lines, capture_output=True, text=True, check=True)
        worst, wrong, refused = 0.0, [], []
        for (file, result), line in zip(pairs, run.stdout.splitlines(), strict=True):
            if not line.startswith("ok"):
                refused.append(line.replace(str(folder), ""))
                continue
            want, got = expected(file), levels(tifffile.imread(result))
            error = np.inf
            if want.shape == got.shape:
                # Colours of pixels that nobody sees may be anything.
                seen = want[:, :, 3:] > 0
                error = np.abs((want - got) * seen).mean()
            worst = max(worst, error)
            if error >= limit(file.name):
                wrong.append(f"{file.name}: mean error {error:.2f}; {line}")
        print(f"{len(files)} files, {len(refused)} refused, {len(wrong)} wrong, worst mean error {worst:.3f}")
        print("\n".join(refused + wrong))
        return bool(wrong or refused)


if __name__ == "__main__":
    sys.exit(main())
