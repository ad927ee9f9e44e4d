"""What `link-sim train` can make: weights, and the function that trains them."""

import pkgutil
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple


class Recipe(NamedTuple):
    """How weights are made: `function(folder, **numbers)`, and a line of description.

    function: `module:name` in this package. settings: what it is given beside.
    """

    function: str
    summary: str
    settings: dict[str, Any] = {}

    def open(self) -> Callable[..., None]:
        """The function with its settings; its numbers are what can be overridden."""
        function = pkgutil.resolve_name(f"link_sim.recipes.{self.function}")
        return partial(function, **self.settings)


SEMANTIC_DECODERS = {
    "ae": "Autoencoder's decoder",
    "vae": "VAE's decoder",
    "cdiff": "Conditional diffusion decoder",
}
SEMANTIC_SYSTEMS = {
    "mnist": (
        "mnist images from 1/48 to 1/6 channel uses a value",
        "semantic:train_semantic",
        {"steps": 5000, "decoder_steps": 5000},
    ),
    "cifar10": (
        "images of any size, from 1/192 channel uses a value on",
        "scalable:train_scalable",
        {"steps": 55550},
    ),
}
RECIPES = {
    "pixel-bayes-mnist": Recipe(
        "restorers:count_levels",
        "level counts of each pixel of the training digits, for the restorer "
        "pixel-bayes",
    ),
    "digit-classifier": Recipe(
        "classifiers:train_digits",
        "Digit classifier: class flips and Fréchet classifier distance",
    ),
    "cifar10-classifier": Recipe(
        "classifiers:train_pictures",
        "CIFAR-10 classifier: accuracy and Fréchet classifier distance",
    ),
    "ddpm": Recipe(
        "restorers:train_ddpm",
        "Conditional DDPM on hard or soft bits of digits, any number of steps",
    ),
    "regression": Recipe(
        "restorers:train_regression",
        "The network of ddpm, trained on as plain L2 regression of hard bits",
    ),
    "bit-planes": Recipe(
        "bit_planes:train_bit_planes",
        "Bit-plane denoiser of digits: LLRs to posterior logits of all bits",
    ),
    "constellation-64": Recipe(
        "constellations:train_constellation",
        "64 points for rate 1/2 over white noise, in place of 64-QAM",
    ),
    "csi-scm": Recipe(
        "channels:train_scm",
        "Denoiser of 64 x 16 channels of the 3GPP spatial channel model",
    ),
    "csi-ofdm": Recipe(
        "ofdm_channels:train_ofdm",
        "Denoiser of UMi channels over angle and delay, for OFDM grids",
    ),
    "feedback-autoencoder": Recipe(
        "channel_feedback:train_feedback",
        "Autoencoder of 16 x 64 channels of a site, told in any number of bits",
    ),
    "csi-clusters": Recipe(
        "channels:train_clusters",
        "Denoiser of 16 x 64 channels of random clusters, through pilots",
    ),
    "csi-near-planes": Recipe(
        "near_planes:train_near_planes",
        "Denoiser of planes that few waves from nearby reach, all of them or a part",
    ),
    "csi-site": Recipe(
        "site_channels:train_site",
        "Denoiser of channels of the site munich, told where users stand or not",
    ),
    "csi-planes": Recipe(
        "received_pilots:train_planes",
        "Denoiser of channels of planar arrays, from received pilots alone",
    ),
    "csi-planes-plain": Recipe(
        "plain_planes:train_plain",
        "U-Net of isotropic fields over 32 x 32 antennas, from received pilots alone",
    ),
    "semantic-encoder-cifar10": Recipe(
        "scalable:train_scalable",
        f"Encoder of {SEMANTIC_SYSTEMS['cifar10'][0]}",
        {"kind": "encoder", "steps": 55550},
    ),
    "semantic-symbols-cifar10": Recipe(
        "symbols:train_symbols",
        "Denoiser of the symbols of the encoder semantic-encoder-cifar10",
    ),
    "nc-zf": Recipe(
        "focusing:train_calibrated",
        "Calibration of zero forcing, for any array and number of users",
    ),
    "nc-published": Recipe(
        "focusing:train_published",
        "Calibration of the input of zero forcing, 1,024 antennas",
    ),
    "measured-amplifiers": Recipe(
        "amplifiers:fit_amplifiers",
        "Generalised memory polynomials of four measured power amplifiers",
    ),
    "hardware-unrolled": Recipe(
        "hardware:train_unrolled",
        "Steps of the detector unrolled, through an amplifier driven hard to mild",
    ),
    "csi-cdl": Recipe(
        "channels:fit_cdl",
        "Spectra of CDL-A to D, 16 x 64 antennas: a mixture of fields",
    ),
    "amp-gnn-qpsk": Recipe(
        "detection:train_amp_gnn",
        "Message passing among symbols of QPSK, any number of streams and antennas",
        {"name": "amp-gnn-qpsk", "bits": 2, "layers": 6, "steps": 1500},
    ),
    "amp-gnn-16-qam": Recipe(
        "detection:train_amp_gnn",
        "Message passing among symbols of 16-QAM, any number of streams and antennas",
        {"name": "amp-gnn-16-qam", "bits": 4, "layers": 10, "steps": 2500},
    ),
} | {
    f"semantic-{kind}-{system}": Recipe(
        function,
        f"{decoder} of {images}",
        {"kind": kind, **settings},
    )
    for system, (images, function, settings) in SEMANTIC_SYSTEMS.items()
    for kind, decoder in SEMANTIC_DECODERS.items()
}
"""Weights name -> recipe; a new one is one entry here and its function."""
