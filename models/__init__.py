"""Generative models in pure Keras 3: denoisers, samplers and their training."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from link_sim.models.bit_planes import (
        BitPlaneDenoiser as BitPlaneDenoiser,
    )
    from link_sim.models.classifier import (
        ImageClassifier as ImageClassifier,
    )
    from link_sim.models.conditional_chain import (
        ConditionalChain as ConditionalChain,
    )
    from link_sim.models.conditional_chain import (
        sample_chain as sample_chain,
    )
    from link_sim.models.denoiser import (
        GaussianDenoiser as GaussianDenoiser,
    )
    from link_sim.models.denoiser import (
        GaussianMixtureDenoiser as GaussianMixtureDenoiser,
    )
    from link_sim.models.denoiser import (
        PreconditionedDenoiser as PreconditionedDenoiser,
    )
    from link_sim.models.pixel_denoiser import (
        PixelDenoiser as PixelDenoiser,
    )
    from link_sim.models.posterior import (
        LinearGaussianLikelihood as LinearGaussianLikelihood,
    )
    from link_sim.models.posterior import (
        PosteriorDenoiser as PosteriorDenoiser,
    )
    from link_sim.models.pretrained import (
        list_pretrained as list_pretrained,
    )
    from link_sim.models.pretrained import (
        load_model as load_model,
    )
    from link_sim.models.pretrained import (
        read_card as read_card,
    )
    from link_sim.models.pretrained import (
        save_model as save_model,
    )
    from link_sim.models.samplers import (
        euler as euler,
    )
    from link_sim.models.samplers import (
        heun as heun,
    )
    from link_sim.models.schedules import (
        karras_sigmas as karras_sigmas,
    )
    from link_sim.models.semantic import (
        SemanticDenoiser as SemanticDenoiser,
    )
    from link_sim.models.semantic import (
        SemanticEncoder as SemanticEncoder,
    )
    from link_sim.models.spectral import (
        SpectralDenoiser as SpectralDenoiser,
    )
    from link_sim.models.stationary_mixture import (
        StationaryMixtureDenoiser as StationaryMixtureDenoiser,
    )
    from link_sim.models.training import (
        train as train,
    )
    from link_sim.models.unet import (
        UNet as UNet,
    )

_MODULES = {
    "BitPlaneDenoiser": "bit_planes",
    "ImageClassifier": "classifier",
    "ConditionalChain": "conditional_chain",
    "sample_chain": "conditional_chain",
    "GaussianDenoiser": "denoiser",
    "GaussianMixtureDenoiser": "denoiser",
    "PreconditionedDenoiser": "denoiser",
    "PixelDenoiser": "pixel_denoiser",
    "LinearGaussianLikelihood": "posterior",
    "PosteriorDenoiser": "posterior",
    "list_pretrained": "pretrained",
    "load_model": "pretrained",
    "read_card": "pretrained",
    "save_model": "pretrained",
    "euler": "samplers",
    "heun": "samplers",
    "karras_sigmas": "schedules",
    "SemanticDenoiser": "semantic",
    "SemanticEncoder": "semantic",
    "SpectralDenoiser": "spectral",
    "StationaryMixtureDenoiser": "stationary_mixture",
    "train": "training",
    "UNet": "unet",
}
"""Where public names live: each is imported when it is first asked for."""

__all__ = sorted(_MODULES)


def __getattr__(name: str):
    if name in _MODULES:
        return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")


def __dir__() -> list[str]:
    return __all__
