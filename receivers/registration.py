"""Tells Keras where our classes are, so that `keras.models.load_model` finds them.

Keras keeps a table of classes by name (`keras.saving.get_custom_objects`). Ours enter
it once both packages are imported, in any order; each loads when a file holds it.
"""

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from link_sim.receivers.imports import around_import

CLASSES = {
    "link_sim.experiments.link": ("Link",),
    "link_sim.metrics.keras_metrics": (
        "BitErrorRate", "BlockErrorRate", "NMSE", "PSNR",
    ),
    "link_sim.models.bit_planes": ("BitPlaneDenoiser",),
    "link_sim.models.channel_autoencoder": ("ChannelAutoencoder",),
    "link_sim.models.classifier": ("ImageClassifier",),
    "link_sim.models.denoiser": ("PreconditionedDenoiser",),
    "link_sim.models.gated_field": (
        "ComplexMixing",
        "GatedField",
        "GridMap",
        "PlaceFeatures",
    ),
    "link_sim.models.graph_amp": ("GraphAMP",),
    "link_sim.models.pairwise": ("PairwiseNetwork",),
    "link_sim.models.pixel_denoiser": ("PixelDenoiser",),
    "link_sim.models.plane_network": ("Directions", "PlaneNetwork"),
    "link_sim.models.scalable": ("FlowNetwork", "ScalableDecoder", "ScalableEncoder"),
    "link_sim.models.semantic": ("SemanticDenoiser", "SemanticEncoder"),
    "link_sim.models.spectral": ("SpectralDenoiser", "SpectrumNetwork"),
    "link_sim.models.symbol_denoiser": ("SymbolDenoiser",),
    "link_sim.models.unet": ("UNet",),
    "link_sim.models.unrolled": ("UnrolledSteps",),
    "link_sim.receivers.chain": ("Receiver",),
    "link_sim.receivers.decoding.iterative": ("IterativeReception",),
    "link_sim.receivers.decoding.joint": ("JointDecoder",),
    "link_sim.receivers.decoding.ldpc": ("BPDecoder", "LDPCDecoder"),
    "link_sim.receivers.detection.amp": ("AMPDetector",),
    "link_sim.receivers.detection.amp_gnn": ("GraphAMPDetector",),
    "link_sim.receivers.detection.constellation": (
        "ConstellationDemapper", "TrainableConstellation",
    ),
    "link_sim.receivers.detection.demapping": ("QAMDemapper",),
    "link_sim.receivers.detection.equalization": ("LMMSEEqualizer",),
    "link_sim.receivers.detection.expectation_propagation": ("EPDetector",),
    "link_sim.receivers.detection.grid": ("GridDetector",),
    "link_sim.receivers.detection.hardware": ("HardwareDetector",),
    "link_sim.receivers.detection.langevin": ("LangevinDetector",),
    "link_sim.receivers.detection.linear": ("LinearDetector",),
    "link_sim.receivers.detection.sionna": (
        "KBestDetector", "SionnaEPDetector", "SionnaLinearDetector",
    ),
    "link_sim.receivers.detection.spreading": ("SpreadEqualizer",),
    "link_sim.receivers.detection.unrolled": ("UnrolledDetector",),
    "link_sim.receivers.detection.verification": ("VerifiedDetector",),
    "link_sim.receivers.estimation.least_squares": ("LSChannelEstimator",),
    "link_sim.receivers.estimation.lmmse": ("LMMSEChannelEstimator",),
    "link_sim.receivers.estimation.ofdm": ("ScoreChannelEstimator",),
    "link_sim.receivers.images.pixel_bayes": ("HistogramSource", "PixelBayes"),
    "link_sim.receivers.images.restoration": ("ConditionalDDPM",),
    "link_sim.receivers.pilots": ("TrainablePilots",),
    "link_sim.receivers.precoding.calibrated": ("CalibratedInputZF", "CalibratedZF"),
    "link_sim.receivers.precoding.linear": ("MRT", "RZF", "ZF"),
    "link_sim.receivers.precoding.wmmse": ("ReducedWMMSE", "WMMSE"),
    "link_sim.receivers.scalable": ("FlowDecoder", "ScalableSymbolEncoder"),
    "link_sim.receivers.semantic": ("SemanticDecoder", "SymbolEncoder"),
    "link_sim.receivers.symbol_denoising": ("SymbolDenoising",),
    "link_sim.receivers.whitening": ("WhitenedDetector", "WhitenedEstimator"),
    "link_sim.world.transmitter": ("Transmitter",),
}  # fmt: skip
"""Of each module, the classes that are registered with Keras."""


class Unloaded(NamedTuple):
    """A class that Keras may have to read, in a module that is imported then."""

    module: str
    name: str

    def from_config(self, config: dict) -> Any:
        module = importlib.import_module(self.module)
        return getattr(module, self.name).from_config(config)


def register() -> None:
    """Enters the classes into the table of Keras, those that are not in it already."""
    table = importlib.import_module("keras").saving.get_custom_objects()
    for module, names in CLASSES.items():
        for name in names:
            table.setdefault(f"link_sim>{name}", Unloaded(module, name))


@contextmanager
def _then_register() -> Iterator[None]:
    yield
    register()


def register_once_keras_is_there() -> None:
    """Calls `register` now, or when Keras has been imported."""
    if "keras" in sys.modules:
        register()
    else:
        around_import("keras", _then_register)
