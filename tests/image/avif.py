"""Makes the AVIF files of tests/data/pictures, and beside some of them what libavif decodes.

Needs: pip install pillow numpy imagecodecs. Run from the repository's root:

    python3 tests/image/avif.py
"""

import io
import struct
from pathlib import Path

import imagecodecs
import numpy as np
from PIL import Image, ImageCms, ImageFilter

FOLDER = Path("tests/data/pictures")


def noise(count, seed):
    """As `noise` in tests/image.rs."""
    values = (np.arange(count, dtype=np.uint64) + seed * 7919) * 2654435761
    return (values % 2**32 >> 24).astype(np.uint8)


def blots(width, height, channels):
    values = np.random.default_rng(1).integers(0, 256, (height, width, channels), np.uint8)
    planes = [Image.fromarray(values[:, :, c]).filter(ImageFilter.GaussianBlur(3)) for c in range(channels)]
    values = np.stack(planes, -1).astype(float)
    values = (values - values.min()) / np.ptp(values) * 255
    return values.round().astype(np.uint8)


def pillow(array, **options):
    file = io.BytesIO()
    Image.fromarray(array).save(file, "AVIF", **options)
    return file.getvalue()


def put(name, data, bits=None):
    """Writes a file, and with the bits of its samples what libavif makes of it, as PNG."""
    (FOLDER / f"avif_{name}.avif").write_bytes(data)
    if bits:
        array = imagecodecs.avif_decode(data)
        if bits > 8:
            array = (array * (65535 / (2**bits - 1))).round().astype(np.uint16)
        (FOLDER / f"avif_{name}.png").write_bytes(imagecodecs.png_encode(array, 9))


def of_matrix(data, matrix):
    """Names other matrix coefficients, those that libavif does not leave to the coarser libyuv."""
    at = data.index(b"nclx") + 8
    return data[:at] + struct.pack(">H", matrix) + data[at + 2 :]


def box(name, *parts):
    content = b"".join(parts)
    return struct.pack(">I", len(content) + 8) + name + content


def full_box(name, *parts, version=0, flags=0):
    return box(name, struct.pack(">I", version << 24 | flags), *parts)


def boxes(data):
    while data:
        (size,) = struct.unpack(">I", data[:4])
        yield data[4:8], data[8:size]
        data = data[size:]


def coded(data):
    """The AV1 data of a file of one item, and its properties."""
    top = dict(boxes(data))
    properties = dict(boxes(dict(boxes(dict(boxes(top[b"meta"][4:]))[b"iprp"]))[b"ipco"]))
    return top[b"mdat"], {name: box(name, content) for name, content in properties.items()}


def container(items, references=()):
    """A file of items: type, content, properties. The first is shown."""
    properties = [p for _, _, own in items for p in own]
    links, number = b"", 1
    for index, (_, _, own) in enumerate(items):
        numbers = range(number, number + len(own))
        number += len(own)
        links += struct.pack(">HB", index + 1, len(own)) + bytes(0x80 | n for n in numbers)

    def meta(start):
        places = b""
        for index, (_, content, _) in enumerate(items):
            places += struct.pack(">HHHII", index + 1, 0, 1, start, len(content))
            start += len(content)
        infos = [
            full_box(b"infe", struct.pack(">HH", index + 1, 0), kind, b"\0", version=2)
            for index, (kind, _, _) in enumerate(items)
        ]
        refs = [
            box(kind, struct.pack(f">HH{len(to)}H", of, len(to), *to)) for kind, of, to in references
        ]
        return full_box(
            b"meta",
            full_box(b"hdlr", bytes(4), b"pict", bytes(13)),
            full_box(b"pitm", struct.pack(">H", 1)),
            full_box(b"iloc", struct.pack(">HH", 0x4400, len(items)), places),
            full_box(b"iinf", struct.pack(">H", len(items)), *infos),
            full_box(b"iref", *refs) if refs else b"",
            box(b"iprp", box(b"ipco", *properties), full_box(b"ipma", struct.pack(">I", len(items)), links)),
        )

    head = box(b"ftyp", b"avif", bytes(4), b"avifmif1miaf")
    start = len(head) + len(meta(0)) + 8
    return head + meta(start) + box(b"mdat", *(content for _, content, _ in items))


def main():
    small = blots(17, 13, 3)
    limited = of_matrix(pillow(small, range="limited", quality=85), 7)
    put("420_limited", limited, 8)
    put("420_libyuv", of_matrix(limited, 6), 8)
    wide = (blots(17, 13, 4).astype(np.uint16) << 2) + 1
    put("422_10", imagecodecs.avif_encode(wide, 80, bitspersample=10, pixelformat="yuv422", matrix=9), 10)
    gray = blots(17, 13, 1)[:, :, 0].astype(np.uint16) << 4
    put("gray_12", imagecodecs.avif_encode(gray, 80, bitspersample=12, pixelformat="yuv400"), 12)
    exact = noise(4 * 35, 1).reshape(5, 7, 4)
    put("lossless", imagecodecs.avif_encode(exact, 100, pixelformat="yuv444", matrix=0))

    exif = Image.Exif()
    exif[0x0112] = 5
    exif[0x011A] = exif[0x011B] = 300.0
    exif[0x0131] = "srdiff"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    faint = np.dstack([np.full((5, 7, 3), 200, np.uint8), np.repeat([[255], [128], [64], [0], [255]], 7, 1)])
    options = {"subsampling": "4:4:4", "quality": 100, "alpha_premultiplied": True}
    faint = faint.astype(np.uint8)
    put("metadata", pillow(faint, exif=exif, icc_profile=profile, xmp=b"<x>srdiff</x>", **options))
    frames = [Image.fromarray(np.full((5, 7, 3), level, np.uint8)) for level in (10, 120, 230)]
    frames[0].save(FOLDER / "avif_animation.avif", save_all=True, append_images=frames[1:], duration=[100, 200, 300])
    faint = [np.full((5, 7, 4), [level] * 3 + [alpha], np.uint8) for level, alpha in [(10, 255), (120, 100), (230, 40)]]
    frames = [Image.fromarray(frame) for frame in faint]
    frames[0].save(FOLDER / "avif_animation_alpha.avif", save_all=True, append_images=frames[1:], duration=[100, 200, 300])
    y, x = np.mgrid[0:20, 0:28]
    frames = []
    for n in range(40):
        ball = ((x - n) ** 2 + (y - 9) ** 2 < 30) * 200
        planes = [(x * 9 + n * 3) % 256, (y * 11 + n * 5) % 256, ball, np.clip(x * 8 + n * 9, 0, 255)]
        frames.append(Image.fromarray(np.stack(planes, -1).astype(np.uint8)))
    frames[0].save(FOLDER / "avif_moving.avif", save_all=True, append_images=frames[1:], duration=40, quality=40)

    data, own = coded(limited)
    # A known bug of the decoder: this makes it panic.
    metadata = bytes([47, 47, 5, 4, 128, 0, 0, 0])
    kept = [own[name] for name in (b"ispe", b"pixi", b"av1C", b"colr")]
    put("bad_metadata", container([(b"av01", data[:2] + metadata + data[2:], kept)]))
    aperture = struct.pack(">8i", 10, 1, 6, 1, -3, 2, 1, 2)
    turns = [*kept, box(b"irot", b"\0"), box(b"imir", b"\0")]
    put("turns", container([(b"av01", data, turns)]))
    put("aperture", container([(b"av01", data, [*kept, box(b"clap", aperture)])]))

    whole = blots(128, 128, 4)
    tiles, alphas = [], []
    for y in (0, 64):
        for x in (0, 64):
            part = whole[y : y + 64, x : x + 64]
            data, own = coded(of_matrix(pillow(part[:, :, :3], quality=60), 7))
            tiles.append((b"av01", data, [own[name] for name in (b"ispe", b"pixi", b"av1C", b"colr")]))
            data, alpha = coded(pillow(part[:, :, 3], quality=60))
            kind = full_box(b"auxC", b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha\0")
            alphas.append((b"av01", data, [alpha[name] for name in (b"ispe", b"pixi", b"av1C")] + [kind]))
    grid = struct.pack(">BBBBHH", 0, 0, 1, 1, 102, 76)
    extents = full_box(b"ispe", struct.pack(">II", 102, 76))
    shown = (b"grid", grid, [extents, own[b"pixi"], own[b"colr"]])
    opacity = (b"grid", grid, [extents, alpha[b"pixi"], kind])
    links = [(b"dimg", 1, [3, 4, 5, 6]), (b"auxl", 2, [1]), (b"dimg", 2, [7, 8, 9, 10])]
    put("grid", container([shown, opacity, *tiles, *alphas], links), 8)


main()
