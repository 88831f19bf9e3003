"""Writes reference.json, the numbers tests/image.rs compares with.

    python reference.py > reference.json        (needs numpy and scipy)

Bicubic resizing as dense matrices; the measures by scipy's filters.
"""
import json
import math
import numpy as np
from scipy.ndimage import gaussian_filter, uniform_filter


def noise(count, seed):
    """Bytes that the test makes again by itself."""
    return [(((i + seed * 7919) * 2654435761) % 2**32) >> 24 for i in range(count)]


def keys(x):
    x = np.abs(x)
    near = 1.5 * x**3 - 2.5 * x**2 + 1
    far = -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return np.where(x <= 1, near, np.where(x < 2, far, 0))


def matrix(n, m):
    """MATLAB's imresize 'bicubic' along one axis, n samples to m."""
    scale = m / n
    squeeze = min(scale, 1)
    M = np.zeros((m, n))
    for i in range(m):
        u = (i + 0.5) / scale - 0.5
        reach = math.ceil(2 / squeeze) + 2
        j = np.arange(math.floor(u) - reach, math.floor(u) + reach + 1)
        w = keys((u - j) * squeeze)
        j = np.mod(j, 2 * n)
        np.add.at(M[i], np.where(j < n, j, 2 * n - 1 - j), w / w.sum())
    return M


def resize(x, h, w):
    return np.einsum('ij,jkc,lk->ilc', matrix(x.shape[0], h), x, matrix(x.shape[1], w))


def u8(x):
    return np.clip(np.floor(x + 0.5), 0, 255)


def luma(x):
    return x @ np.array([65.481, 128.553, 24.966]) / 255 + 16


def psnr(a, b):
    return 10 * np.log10(255**2 / np.mean((a - b) ** 2))


def ssim(a, b, window, margin, scale=1):
    f = lambda x: window(x)[margin:-margin, margin:-margin]
    ma, mb = f(a), f(b)
    va, vb, cv = (scale * v for v in (f(a * a) - ma * ma, f(b * b) - mb * mb, f(a * b) - ma * mb))
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    return np.mean((2 * ma * mb + c1) * (2 * cv + c2) / ((ma * ma + mb * mb + c1) * (va + vb + c2)))


gauss = lambda x: gaussian_filter(x, 1.5, truncate=3.5)  # 11 taps
box = lambda x: uniform_filter(x, 7)


def pair(h, w, spread, seed):
    """A picture, and itself with noise of up to `spread` added."""
    a = np.array(noise(3 * h * w, seed)).reshape(h, w, 3)
    d = np.array(noise(3 * h * w, seed + 1)).reshape(h, w, 3) % (2 * spread + 1) - spread
    return a.astype(float), np.clip(a + d, 0, 255).astype(float)


def measure(h, w, spread, seed, border, scale):
    a, b = pair(h, w, spread, seed)
    inner = (slice(border, h - border), slice(border, w - border))
    ya, yb = luma(a)[inner], luma(b)[inner]
    lr = u8(resize(a, h // scale, w // scale))
    return {
        'height': h, 'width': w, 'spread': spread, 'seed': seed, 'border': border, 'scale': scale,
        'psnr_rgb': psnr(a[inner], b[inner]),
        'psnr_y': psnr(ya, yb),
        'ssim_y': ssim(ya, yb, gauss, 5),
        'ssim_rgb': np.mean([ssim(a[..., c], b[..., c], box, 3, 49 / 48) for c in range(3)]),
        'lr_psnr': psnr(u8(resize(b, h // scale, w // scale)), lr),
    }


def resized(h, w, channels, new_h, new_w, seed):
    x = np.array(noise(h * w * channels, seed), float).reshape(h, w, channels)
    return {
        'size': [w, h], 'channels': channels, 'new_size': [new_w, new_h], 'seed': seed,
        'result': np.round(resize(x, new_h, new_w), 9).ravel().tolist(),
    }


def main():
    scales = (2, 3, 4, 8, 1 / 2, 1 / 4, 1 / 8)
    lines = [(n, max(1, round(n * s))) for n in (1, 2, 3, 7, 13, 65) for s in scales]
    planes = [(3, 2, 3, 9, 6), (7, 13, 3, 14, 39), (13, 7, 1, 3, 2), (13, 7, 3, 5, 11),
              (16, 24, 3, 2, 3), (1, 3, 3, 8, 1), (65, 65, 1, 8, 8)]
    print(json.dumps({
        'resized': [resized(1, n, 1, 1, m, n) for n, m in lines]
        + [resized(*p, k) for k, p in enumerate(planes)],
        'measures': [measure(24, 20, 15, 3, 0, 2), measure(24, 32, 40, 5, 4, 4),
                     measure(40, 27, 3, 7, 3, 1), measure(16, 16, 120, 9, 2, 8),
                     measure(11, 11, 60, 11, 0, 11)],
    }))


main()
