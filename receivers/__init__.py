"""Keras layers with Sionna's call signatures: classical and generative receivers."""

from importlib import import_module
from typing import TYPE_CHECKING

from link_sim.receivers.backends import check_backend

if TYPE_CHECKING:
    from link_sim.receivers.chain import (
        Receiver,
        Reception,
        build_receivers,
        draw_noise,
        receive,
    )
    from link_sim.receivers.context import (
        GridContext,
        LinkContext,
        MimoContext,
        SymbolContext,
    )
    from link_sim.receivers.decoding.iterative import IterativeReception
    from link_sim.receivers.decoding.joint import JointDecoder
    from link_sim.receivers.decoding.ldpc import BPDecoder, LDPCDecoder
    from link_sim.receivers.detection.amp import AMPDetector
    from link_sim.receivers.detection.amp_gnn import GraphAMPDetector
    from link_sim.receivers.detection.constellation import (
        ConstellationDemapper,
        TrainableConstellation,
    )
    from link_sim.receivers.detection.demapping import QAMDemapper
    from link_sim.receivers.detection.equalization import LMMSEEqualizer
    from link_sim.receivers.detection.expectation_propagation import EPDetector
    from link_sim.receivers.detection.grid import GridDetector
    from link_sim.receivers.detection.langevin import LangevinDetector
    from link_sim.receivers.detection.linear import LinearDetector
    from link_sim.receivers.detection.mimo import MIMODetector
    from link_sim.receivers.detection.sionna import (
        KBestDetector,
        SionnaEPDetector,
        SionnaLinearDetector,
    )
    from link_sim.receivers.detection.verification import VerifiedDetector
    from link_sim.receivers.entries import Entry
    from link_sim.receivers.estimation.least_squares import LSChannelEstimator
    from link_sim.receivers.estimation.lmmse import LMMSEChannelEstimator
    from link_sim.receivers.estimation.ofdm import ScoreChannelEstimator
    from link_sim.receivers.images.bits import (
        bits_from_image,
        image_from_bits,
        image_from_levels,
    )
    from link_sim.receivers.images.pixel_bayes import HistogramSource, PixelBayes
    from link_sim.receivers.images.restoration import ConditionalDDPM
    from link_sim.receivers.layer import ReceiverLayer
    from link_sim.receivers.names import list_receivers, parse_receiver
    from link_sim.receivers.pilots import TrainablePilots
    from link_sim.receivers.precoding.calibrated import (
        CalibratedInputZF as CalibratedInputZF,
    )
    from link_sim.receivers.precoding.calibrated import (
        CalibratedZF as CalibratedZF,
    )
    from link_sim.receivers.precoding.linear import (
        MRT as MRT,
    )
    from link_sim.receivers.precoding.linear import (
        RZF as RZF,
    )
    from link_sim.receivers.precoding.linear import (
        ZF as ZF,
    )
    from link_sim.receivers.precoding.wmmse import (
        WMMSE as WMMSE,
    )
    from link_sim.receivers.precoding.wmmse import (
        ReducedWMMSE as ReducedWMMSE,
    )
    from link_sim.receivers.scalable import FlowDecoder, ScalableSymbolEncoder
    from link_sim.receivers.semantic import SemanticDecoder, SymbolEncoder
    from link_sim.receivers.whitening import WhitenedDetector, WhitenedEstimator

_MODULES = {
    "chain": ("Receiver", "Reception", "build_receivers", "draw_noise", "receive"),
    "context": ("GridContext", "LinkContext", "MimoContext", "SymbolContext"),
    "decoding.iterative": ("IterativeReception",),
    "decoding.joint": ("JointDecoder",),
    "decoding.ldpc": ("BPDecoder", "LDPCDecoder"),
    "detection.amp": ("AMPDetector",),
    "detection.amp_gnn": ("GraphAMPDetector",),
    "detection.constellation": ("ConstellationDemapper", "TrainableConstellation"),
    "detection.demapping": ("QAMDemapper",),
    "detection.equalization": ("LMMSEEqualizer",),
    "detection.expectation_propagation": ("EPDetector",),
    "detection.grid": ("GridDetector",),
    "detection.langevin": ("LangevinDetector",),
    "detection.linear": ("LinearDetector",),
    "detection.mimo": ("MIMODetector",),
    "detection.sionna": ("KBestDetector", "SionnaEPDetector", "SionnaLinearDetector"),
    "detection.verification": ("VerifiedDetector",),
    "entries": ("Entry",),
    "estimation.least_squares": ("LSChannelEstimator",),
    "estimation.lmmse": ("LMMSEChannelEstimator",),
    "estimation.ofdm": ("ScoreChannelEstimator",),
    "images.bits": ("bits_from_image", "image_from_bits", "image_from_levels"),
    "images.pixel_bayes": ("HistogramSource", "PixelBayes"),
    "images.restoration": ("ConditionalDDPM",),
    "layer": ("ReceiverLayer",),
    "names": ("list_receivers", "parse_receiver"),
    "pilots": ("TrainablePilots",),
    "precoding.calibrated": ("CalibratedInputZF", "CalibratedZF"),
    "precoding.linear": ("MRT", "RZF", "ZF"),
    "precoding.wmmse": ("WMMSE", "ReducedWMMSE"),
    "scalable": ("FlowDecoder", "ScalableSymbolEncoder"),
    "semantic": ("SemanticDecoder", "SymbolEncoder"),
    "whitening": ("WhitenedDetector", "WhitenedEstimator"),
}
"""Where public names live: a module is imported when one is first asked for."""

__all__ = [
    "AMPDetector",
    "BPDecoder",
    "ConditionalDDPM",
    "ConstellationDemapper",
    "EPDetector",
    "Entry",
    "FlowDecoder",
    "GraphAMPDetector",
    "GridContext",
    "GridDetector",
    "HistogramSource",
    "IterativeReception",
    "JointDecoder",
    "KBestDetector",
    "LDPCDecoder",
    "LMMSEChannelEstimator",
    "LMMSEEqualizer",
    "LSChannelEstimator",
    "LangevinDetector",
    "LinearDetector",
    "LinkContext",
    "MIMODetector",
    "MimoContext",
    "PixelBayes",
    "QAMDemapper",
    "Receiver",
    "ReceiverLayer",
    "Reception",
    "ScalableSymbolEncoder",
    "ScoreChannelEstimator",
    "SemanticDecoder",
    "SionnaEPDetector",
    "SionnaLinearDetector",
    "SymbolContext",
    "SymbolEncoder",
    "TrainableConstellation",
    "TrainablePilots",
    "VerifiedDetector",
    "WhitenedDetector",
    "WhitenedEstimator",
    "bits_from_image",
    "build_receivers",
    "draw_noise",
    "image_from_bits",
    "image_from_levels",
    "list_receivers",
    "parse_receiver",
    "receive",
]


def __getattr__(name: str):
    for module, names in _MODULES.items():
        if name in names:
            check_backend(name, module)
            return getattr(import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")


def __dir__() -> list[str]:
    return __all__
