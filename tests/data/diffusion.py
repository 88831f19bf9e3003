"""Writes diffusion.json, the numbers tests/samplers.rs compares with.

    python diffusion.py > diffusion.json        (needs numpy)

Schedules in f64; the sampler runs in f32, operation by operation as the usual
PyTorch implementation does them, on a small closed-form noise predictor.
"""
import json
import numpy as np

f32 = np.float32


def cosine(T, s=0.008):
    steps = T + 1
    x = np.linspace(0, steps, steps)  # ends at `steps`, not at T: part of the model
    f = np.cos((x / steps + s) / (1 + s) * np.pi / 2) ** 2
    f = f / f[0]
    return np.clip(1 - f[1:] / f[:-1], 0, 0.999)


def linear(T, start, end):
    betas = np.linspace(start, end, T)
    betas[-1] = 0.999
    return betas


def buffers(betas):
    ac = np.cumprod(1 - betas)
    prev = np.append(1.0, ac[:-1])
    return {
        'betas': betas,
        'alphas_cumprod': ac,
        'sqrt_alphas_cumprod': np.sqrt(ac),
        'sqrt_one_minus_alphas_cumprod': np.sqrt(1 - ac),
        'sqrt_recip_alphas_cumprod': np.sqrt(1 / ac),
        'sqrt_recipm1_alphas_cumprod': np.sqrt(1 / ac - 1),
        'posterior_mean_coef1': betas * np.sqrt(prev) / (1 - ac),
        'posterior_mean_coef2': (1 - prev) * np.sqrt(1 - betas) / (1 - ac),
        'posterior_variance': betas * (1 - prev) / (1 - ac),
    }


def spaced(T, n):
    """Over all of the (cosine) schedule; fewer than 10 steps up to where a signal of 0.02 is left."""
    kept = np.count_nonzero(buffers(cosine(T))['alphas_cumprod'] >= 0.02)
    if n < 10 and 2 * n <= kept:
        t = (kept - 1) / n * np.arange(1, n + 1)
    else:
        t = np.linspace(0, T - 1, n)
    return np.unique(np.round(t).astype(int))[::-1]


def predictor(x, t):
    return f32(0.8) * x + f32(0.3) * np.sin(f32(2) * x + f32(0.05) * f32(t))


def sample(b, x, timesteps, noise=None):
    """DDPM where `noise[t]` is given, else DDIM with eta 0."""
    b = {k: v.astype(f32) for k, v in b.items()}
    for k, t in enumerate(timesteps):
        eps = predictor(x, t)
        x0 = b['sqrt_recip_alphas_cumprod'][t] * x - b['sqrt_recipm1_alphas_cumprod'][t] * eps
        x0 = np.clip(x0, f32(-1), f32(1))
        if noise is not None:
            x = b['posterior_mean_coef1'][t] * x0 + b['posterior_mean_coef2'][t] * x
            if t > 0:
                x = x + np.sqrt(b['posterior_variance'][t]) * noise[t]
        elif k + 1 == len(timesteps):
            x = x0
        else:
            s = timesteps[k + 1]
            e = (x - b['sqrt_alphas_cumprod'][t] * x0) / b['sqrt_one_minus_alphas_cumprod'][t]
            x = b['sqrt_alphas_cumprod'][s] * x0 + b['sqrt_one_minus_alphas_cumprod'][s] * e
        assert x.dtype == f32
    return x


def main():
    rng = np.random.default_rng(20)
    b = buffers(cosine(100))
    x_T = np.round(rng.standard_normal(6), 3)
    noise = np.round(rng.standard_normal((100, 6)), 3)  # row t is added by the step at t
    noise[0] = 0
    x, z = x_T.astype(f32), noise.astype(f32)
    tolist = lambda d: {k: v.tolist() for k, v in d.items()}
    print(json.dumps({
        'schedules': [
            {'schedule': {'Cosine': {'s': 0.008}}, 'buffers': tolist(b)},
            {'schedule': {'Cosine': {'s': 0.02}}, 'buffers': tolist(buffers(cosine(7, 0.02)))},
            {'schedule': {'Linear': {'start': 1e-4, 'end': 0.02}},
             'buffers': tolist(buffers(linear(100, 1e-4, 0.02)))},
            {'schedule': {'Cosine': {'s': 0.008}}, 'buffers': tolist(buffers(cosine(1)))},
            {'schedule': {'Linear': {'start': 1e-4, 'end': 0.02}},
             'buffers': tolist(buffers(linear(1, 1e-4, 0.02)))},
        ],
        'spacings': [
            {'timesteps': T, 'steps': n, 'spacing': spaced(T, n).tolist()}
            for T, n in [(100, 1), (100, 2), (100, 3), (100, 7), (100, 10), (100, 50), (100, 67),
                         (100, 99), (100, 100), (1000, 37), (12, 8), (1, 1)]
        ],
        'x_T': x_T.tolist(),
        'noise': noise.tolist(),
        'ddpm': sample(b, x, range(99, -1, -1), z).tolist(),
        'ddim': [{'steps': n, 'result': sample(b, x, spaced(100, n)).tolist()} for n in (1, 2, 10, 50, 100)],
    }))


main()
