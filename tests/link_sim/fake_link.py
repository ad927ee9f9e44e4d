"""A stand-in for `link_sim.engine.batches` that draws counts instead of simulating.

In the environment, `FAKE_SECONDS` makes each batch take that long, `FAKE_DEATH` makes
it end its process, and `FAKE_NAN=receiver:batch` gives a receiver NaN in that batch.
"""

import os
import time
import tomllib

import numpy as np

FRAMES, BLOCKS, BITS = 8, 2, 100


def run_batch(toml: str, point: float, batch: int) -> dict:
    time.sleep(float(os.environ.get("FAKE_SECONDS", 0)))
    if "FAKE_DEATH" in os.environ:
        os._exit(1)
    scenario = tomllib.loads(toml)
    seed = [scenario["seed"], round(point * 1000) % 2**32, batch]
    fade = np.random.default_rng(seed).exponential(size=FRAMES)
    names = scenario["receivers"]
    counts = {
        name: frame_counts(fade, point - 2 * i, seed) for i, name in enumerate(names)
    }
    name, _, number = os.environ.get("FAKE_NAN", "").partition(":")
    if number == str(batch):
        counts[name]["squared_error"] = np.nan
    return {"seed": batch, "seconds": 0.5, "counts": counts}


def frame_counts(fade, snr_db: float, seed) -> dict:
    rng = np.random.default_rng(seed)
    error_rate = 0.5 * np.exp(-fade * 10 ** (snr_db / 10))
    bit_errors = rng.binomial(BLOCKS * BITS, error_rate)
    blocks = np.minimum(bit_errors, BLOCKS)
    mse = error_rate / 12
    sums = {
        "bit_errors": bit_errors,
        "block_errors": blocks,
        "undetected_errors": np.zeros(FRAMES, int),
        "squared_error": mse,
        "psnr": -10 * np.log10(mse + 1e-6),
        "ssim": 1 - error_rate,
        "nmse": error_rate / fade,
        "channel_error": error_rate,
        "channel_power": fade,
    }
    counts = {
        "frames": FRAMES,
        "blocks": FRAMES * BLOCKS,
        "bits": FRAMES * BLOCKS * BITS,
        "images": FRAMES,
        "channel_error_power": np.sum(error_rate * fade),
    }
    for name, values in sums.items():
        counts |= {name: values.sum(), f"{name}_sq": (values**2).sum()}
    return counts


def picture_strip(scenario, num_digits: int) -> dict:
    image = np.tile(np.linspace(0, 1, 28)[:, None, None], (num_digits, 1, 28, 1))
    received = {
        (r, p): image for r in scenario.receivers for p in scenario.sweep.points
    }
    return {"image": image, **received}
