"""Keras layers with Sionna's call signatures: classical and generative receivers."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from link_sim.receivers.catalog import (
        Entry as Entry,
    )
    from link_sim.receivers.catalog import (
        build_receivers as build_receivers,
    )
    from link_sim.receivers.catalog import (
        list_receivers as list_receivers,
    )
    from link_sim.receivers.catalog import (
        parse_receiver as parse_receiver,
    )
    from link_sim.receivers.chain import (
        Receiver as Receiver,
    )
    from link_sim.receivers.chain import (
        Reception as Reception,
    )
    from link_sim.receivers.chain import (
        draw_noise as draw_noise,
    )
    from link_sim.receivers.chain import (
        receive as receive,
    )
    from link_sim.receivers.context import (
        GridContext as GridContext,
    )
    from link_sim.receivers.context import (
        LinkContext as LinkContext,
    )
    from link_sim.receivers.context import (
        MimoContext as MimoContext,
    )
    from link_sim.receivers.decoding.joint import (
        HistogramSource as HistogramSource,
    )
    from link_sim.receivers.decoding.joint import (
        JointDecoder as JointDecoder,
    )
    from link_sim.receivers.decoding.ldpc import (
        BPDecoder as BPDecoder,
    )
    from link_sim.receivers.decoding.ldpc import (
        LDPCDecoder as LDPCDecoder,
    )
    from link_sim.receivers.detection.demapping import (
        QAMDemapper as QAMDemapper,
    )
    from link_sim.receivers.detection.equalization import (
        LMMSEEqualizer as LMMSEEqualizer,
    )
    from link_sim.receivers.detection.linear import (
        LinearDetector as LinearDetector,
    )
    from link_sim.receivers.detection.sionna import (
        EPDetector as EPDetector,
    )
    from link_sim.receivers.detection.sionna import (
        KBestDetector as KBestDetector,
    )
    from link_sim.receivers.detection.sionna import (
        SionnaLinearDetector as SionnaLinearDetector,
    )
    from link_sim.receivers.estimation.least_squares import (
        LSChannelEstimator as LSChannelEstimator,
    )
    from link_sim.receivers.estimation.lmmse import (
        LMMSEChannelEstimator as LMMSEChannelEstimator,
    )
    from link_sim.receivers.estimation.ofdm import (
        ScoreChannelEstimator as ScoreChannelEstimator,
    )
    from link_sim.receivers.images.bits import (
        bits_from_image as bits_from_image,
    )
    from link_sim.receivers.images.bits import (
        image_from_bits as image_from_bits,
    )
    from link_sim.receivers.images.bits import (
        image_from_levels as image_from_levels,
    )
    from link_sim.receivers.images.pixel_bayes import (
        PixelBayes as PixelBayes,
    )
    from link_sim.receivers.images.restoration import (
        ConditionalDDPM as ConditionalDDPM,
    )
    from link_sim.receivers.layer import (
        ReceiverLayer as ReceiverLayer,
    )
    from link_sim.receivers.semantic import (
        SemanticDecoder as SemanticDecoder,
    )
    from link_sim.receivers.semantic import (
        SymbolEncoder as SymbolEncoder,
    )

_MODULES = {
    "Entry": "catalog",
    "build_receivers": "catalog",
    "list_receivers": "catalog",
    "parse_receiver": "catalog",
    "Receiver": "chain",
    "Reception": "chain",
    "draw_noise": "chain",
    "receive": "chain",
    "GridContext": "context",
    "LinkContext": "context",
    "MimoContext": "context",
    "HistogramSource": "decoding.joint",
    "JointDecoder": "decoding.joint",
    "BPDecoder": "decoding.ldpc",
    "LDPCDecoder": "decoding.ldpc",
    "QAMDemapper": "detection.demapping",
    "LMMSEEqualizer": "detection.equalization",
    "LinearDetector": "detection.linear",
    "EPDetector": "detection.sionna",
    "KBestDetector": "detection.sionna",
    "SionnaLinearDetector": "detection.sionna",
    "LSChannelEstimator": "estimation.least_squares",
    "LMMSEChannelEstimator": "estimation.lmmse",
    "ScoreChannelEstimator": "estimation.ofdm",
    "bits_from_image": "images.bits",
    "image_from_bits": "images.bits",
    "image_from_levels": "images.bits",
    "PixelBayes": "images.pixel_bayes",
    "ConditionalDDPM": "images.restoration",
    "ReceiverLayer": "layer",
    "SemanticDecoder": "semantic",
    "SymbolEncoder": "semantic",
}
"""Where public names live: each is imported when it is first asked for."""

__all__ = sorted(_MODULES)


def __getattr__(name: str):
    if name in _MODULES:
        return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")


def __dir__() -> list[str]:
    return __all__
