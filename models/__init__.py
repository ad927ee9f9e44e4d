"""Generative models in pure Keras 3: denoisers, samplers and their training."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from link_sim.models.bit_planes import BitPlaneDenoiser
    from link_sim.models.classifier import ImageClassifier
    from link_sim.models.conditional_chain import ConditionalChain, sample_chain
    from link_sim.models.denoiser import (
        GaussianDenoiser,
        GaussianMixtureDenoiser,
        PreconditionedDenoiser,
    )
    from link_sim.models.graph_amp import GraphAMP
    from link_sim.models.pixel_denoiser import PixelDenoiser
    from link_sim.models.posterior import LinearGaussianLikelihood, PosteriorDenoiser
    from link_sim.models.pretrained import (
        list_pretrained,
        load_model,
        read_card,
        save_model,
    )
    from link_sim.models.samplers import euler, heun
    from link_sim.models.schedules import karras_sigmas
    from link_sim.models.semantic import SemanticDenoiser, SemanticEncoder
    from link_sim.models.spectral import SpectralDenoiser
    from link_sim.models.stationary_mixture import StationaryMixtureDenoiser
    from link_sim.models.training import train
    from link_sim.models.unet import UNet

_MODULES = {
    "bit_planes": ("BitPlaneDenoiser",),
    "classifier": ("ImageClassifier",),
    "conditional_chain": ("ConditionalChain", "sample_chain"),
    "denoiser": (
        "GaussianDenoiser",
        "GaussianMixtureDenoiser",
        "PreconditionedDenoiser",
    ),
    "graph_amp": ("GraphAMP",),
    "pixel_denoiser": ("PixelDenoiser",),
    "posterior": ("LinearGaussianLikelihood", "PosteriorDenoiser"),
    "pretrained": ("list_pretrained", "load_model", "read_card", "save_model"),
    "samplers": ("euler", "heun"),
    "schedules": ("karras_sigmas",),
    "semantic": ("SemanticDenoiser", "SemanticEncoder"),
    "spectral": ("SpectralDenoiser",),
    "stationary_mixture": ("StationaryMixtureDenoiser",),
    "training": ("train",),
    "unet": ("UNet",),
}
"""Where public names live: a module is imported when one is first asked for."""

__all__ = [
    "BitPlaneDenoiser",
    "ConditionalChain",
    "GaussianDenoiser",
    "GaussianMixtureDenoiser",
    "GraphAMP",
    "ImageClassifier",
    "LinearGaussianLikelihood",
    "PixelDenoiser",
    "PosteriorDenoiser",
    "PreconditionedDenoiser",
    "SemanticDenoiser",
    "SemanticEncoder",
    "SpectralDenoiser",
    "StationaryMixtureDenoiser",
    "UNet",
    "euler",
    "heun",
    "karras_sigmas",
    "list_pretrained",
    "load_model",
    "read_card",
    "sample_chain",
    "save_model",
    "train",
]


def __getattr__(name: str):
    for module, names in _MODULES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")


def __dir__() -> list[str]:
    return __all__
