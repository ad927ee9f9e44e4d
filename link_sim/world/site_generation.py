"""Channels drawn from the diffusion model of a site, at a place or anywhere."""

import numpy as np
from keras import ops

from link_sim.models.pretrained import load_model
from link_sim.models.samplers import heun
from link_sim.models.schedules import karras_sigmas
from link_sim.receivers.estimation.field_network import condition_of, turned_back
from link_sim.scenarios.base import ScenarioError
from link_sim.scenarios.sites import load_site

PRIOR, SITE = "csi-site", "munich"
LEAST, MOST = 0.0112, 11.2
"""Levels of noise between which channels are drawn: 36 to -24 dB."""
STEPS = 12
FEWEST = 8
"""Steps; longer ones leave noise that the network does not know."""
AT_ONCE = 64
"""Channels that are drawn together."""


def generate_site(
    number: int,
    seed: int = 1,
    place: tuple[float, float] | None = None,
    sight: bool | None = None,
    steps: int = STEPS,
) -> np.ndarray:
    """Channels of 16 antennas and 64 subcarriers of 20 MHz, by Heun's method.

    Karras et al. 2022, algorithm 1: noise is taken away along the probability flow.

    place : of the user on the map of the site, x and y [m]; any if `None`
    sight : whether in line of sight; either if `None`
    steps : of the method, each two evaluations of the network but the last

    Returns complex64 [number, 16, 64], of about power one. Raises `ScenarioError` for
    no channel, fewer than 8 steps, and a place off the map.
    """
    if number < 1:
        raise ScenarioError(f"{number} channels are none: ask for 1 or more")
    if steps < FEWEST:
        raise ScenarioError(
            f"{steps} steps leave noise that {PRIOR} does not know: take "
            f"{FEWEST} or more"
        )
    told = _told(place, sight)
    network, rng = load_model(PRIOR), np.random.default_rng(seed)
    sigmas = karras_sigmas(steps, LEAST, MOST)
    parts = []
    for first in range(0, number, AT_ONCE):
        size = min(AT_ONCE, number - first)
        noise = rng.standard_normal((size, *network.config["grid"], 2), "float32")
        denoiser = _of_power_one(network, np.repeat(told, size, axis=0))
        x = heun(denoiser, ops.convert_to_tensor(MOST * noise), sigmas)
        parts.append(turned_back(ops.convert_to_numpy(x)).astype("complex64"))
    return np.concatenate(parts)


def _of_power_one(network, told):
    """The denoiser with means whose power and the error stated of them sum to one.

    Fields have that power, and what the network says of strong noise has less: without
    it, channels fade away on their way.
    """
    told = ops.convert_to_tensor(told)

    def denoiser(x, sigma):
        sigmas = ops.broadcast_to(ops.cast(sigma, "float32"), (len(x), 1, 1, 1))
        mean, variance = network.posterior(x, sigmas, told)
        power = 2 * ops.mean(mean**2, axis=(1, 2, 3))
        scale = ops.sqrt(ops.clip((1 - variance) / (power + 1e-6), 0.25, 4.0))
        return scale[:, None, None, None] * mean

    return denoiser


def _told(place, sight) -> np.ndarray:
    """What the network is told of a user, float32 [1, 4]."""
    site = load_site(SITE)
    told = np.zeros((1, 4), "float32")
    if place is not None:
        low, high = site.area[[0, 2]], site.area[[1, 3]]
        if not (np.all(low <= place) and np.all(place <= high)):
            raise ScenarioError(
                f"the place {place[0]:g}, {place[1]:g} is off the map of {SITE}: use x "
                f"from {low[0]:g} to {high[0]:g} m and y from {low[1]:g} to "
                f"{high[1]:g} m"
            )
        told = condition_of(np.subtract(place, site.station[:2])[None], [True])
    told[:, 3] = 0.0 if sight is None else (1.0 if sight else -1.0)
    return told
