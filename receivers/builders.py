"""Functions that build the blocks of `receivers.catalog` for their contexts."""

from functools import partial

import numpy as np

from link_sim.models.cards import read_card
from link_sim.models.joint_spectrum import JointSpectrum
from link_sim.models.pretrained import load_model
from link_sim.receivers.context import (
    BlockContext,
    GridContext,
    LinkContext,
    MimoContext,
    SymbolContext,
)
from link_sim.receivers.decoding.iterative import IterativeReception
from link_sim.receivers.decoding.joint import JointDecoder
from link_sim.receivers.decoding.ldpc import BPDecoder, LDPCDecoder
from link_sim.receivers.decoding.semi_blind import SemiBlind
from link_sim.receivers.detection.amp import AMPDetector
from link_sim.receivers.detection.amp_gnn import GraphAMPDetector
from link_sim.receivers.detection.expectation_propagation import EPDetector
from link_sim.receivers.detection.grid import GridDetector
from link_sim.receivers.detection.hardware import HardwareDetector
from link_sim.receivers.detection.langevin import LangevinDetector
from link_sim.receivers.detection.linear import LinearDetector
from link_sim.receivers.detection.sionna import (
    KBestDetector,
    SionnaEPDetector,
    SionnaLinearDetector,
)
from link_sim.receivers.detection.unrolled import UnrolledDetector
from link_sim.receivers.detection.verification import VerifiedDetector
from link_sim.receivers.estimation import coarse, mimo, mimo_baselines
from link_sim.receivers.estimation.least_squares import LSChannelEstimator
from link_sim.receivers.estimation.lmmse import LMMSEChannelEstimator
from link_sim.receivers.estimation.mimo_denoising import denoised
from link_sim.receivers.estimation.ofdm import ScoreChannelEstimator
from link_sim.receivers.images.pixel_bayes import HistogramSource
from link_sim.receivers.images.restoration import ConditionalDDPM
from link_sim.receivers.precoding.linear import RZF, ZF
from link_sim.receivers.scalable import FlowDecoder
from link_sim.receivers.semantic import SemanticDecoder
from link_sim.receivers.symbol_denoising import SymbolDenoising


def least_squares(grid: GridContext):
    return LSChannelEstimator(grid.sounding_grid)


def lmmse(grid: GridContext):
    return LMMSEChannelEstimator(grid.sounding_grid, *grid.covariances())


def score(grid: GridContext, preset: str):
    estimator = ScoreChannelEstimator.from_preset(
        preset,
        grid.sounding_grid,
        polarisations=grid.polarisations,
        doppler=grid.doppler,
        spectra=grid.spectra,
    )
    if grid.excess_delay > estimator.largest_delay:
        raise ValueError(
            f"the channel has paths {grid.excess_delay:.3g} s after the first, but "
            f"score can follow delays up to {estimator.largest_delay:.3g} s with these "
            "pilots: put pilots on more subcarriers (grid.pilot_spacing), or use lmmse"
        )
    return estimator


def linear(link: LinkContext):
    bits, points = link.num_bits_per_symbol, link.constellation
    return LinearDetector(link.resource_grid, bits, constellation=points)


def _of_sionna(detector, link: LinkContext):
    if link.constellation is not None:
        raise ValueError(
            f"{detector.__name__} knows QAM alone: leave constellation out, or use "
            "the detector linear"
        )
    bits = link.num_bits_per_symbol
    return detector(link.resource_grid, link.stream_management, bits)


sionna_linear = partial(_of_sionna, SionnaLinearDetector)
k_best = partial(_of_sionna, KBestDetector)
sionna_ep = partial(_of_sionna, SionnaEPDetector)


def cancelling(link: LinkContext, num_rounds: int = 4):
    return HardwareDetector(link, num_rounds)


def cancelling_ldpc(link: LinkContext, num_rounds: int = 3):
    return HardwareDetector(link, num_rounds, decoding=True)


def linearising_ldpc(link: LinkContext, num_rounds: int = 3):
    return HardwareDetector(link, num_rounds, decoding=True, linearised=True)


def unrolled(link: LinkContext, preset: str):
    return UnrolledDetector.from_preset(link, preset)


def mimo_linear(symbols: SymbolContext):
    """The first cavities of expectation propagation are the LMMSE estimates."""
    return EPDetector(symbols.num_bits_per_symbol, num_iter=1)


def mimo_amp(symbols: SymbolContext):
    return AMPDetector(symbols.num_bits_per_symbol)


def mimo_ep(symbols: SymbolContext):
    return EPDetector(symbols.num_bits_per_symbol)


def mimo_ep_retry(symbols: SymbolContext):
    """Again with larger steps and more of them, where the first try is in doubt."""
    bits = symbols.num_bits_per_symbol
    return VerifiedDetector(EPDetector(bits), EPDetector(bits, 20, 0.5))


def mimo_langevin_walk(symbols: SymbolContext):
    return LangevinDetector(symbols.num_bits_per_symbol)


def mimo_amp_gnn(symbols: SymbolContext, preset: str):
    bits = symbols.num_bits_per_symbol
    first = GraphAMPDetector.from_preset(preset, bits)
    return VerifiedDetector(first, EPDetector(bits))


def _on_grid(detector, link: LinkContext, **options):
    if link.constellation is not None:
        raise ValueError(
            "this detector knows QAM alone: leave constellation out, or use the "
            "detector linear, each block once"
        )
    return GridDetector(link.resource_grid, detector(link, **options))


amp = partial(_on_grid, mimo_amp)
ep = partial(_on_grid, mimo_ep)
ep_retry = partial(_on_grid, mimo_ep_retry)
langevin = partial(_on_grid, mimo_langevin_walk)
amp_gnn = partial(_on_grid, mimo_amp_gnn)


def belief_propagation(link: LinkContext):
    return LDPCDecoder(link.encoder, link.num_iter)


def sionna_bp(link: LinkContext):
    return BPDecoder(link.encoder, link.num_iter)


def turbo_histogram(link: LinkContext, preset: str):
    return JointDecoder(link, HistogramSource(preset))


def turbo(link: LinkContext, preset: str):
    return JointDecoder(link, load_model(preset))


def idd(link: LinkContext, _, detector, decoder, **options):
    if link.coloured:
        raise ValueError(
            "idd and joint expect white noise: leave interferers out, or the loop"
        )
    if isinstance(detector, LinearDetector):
        detector = _on_grid(mimo_linear, link)
    if not isinstance(detector, GridDetector):
        raise ValueError(
            "idd and joint need a detector that takes a priori LLRs: use linear, ep, "
            "amp or amp-gnn"
        )
    if not isinstance(decoder, LDPCDecoder | JointDecoder):
        raise ValueError("idd and joint need soft belief propagation: use bp or turbo")
    source = decoder if isinstance(decoder, JointDecoder) else None
    return IterativeReception(link, detector, source=source, **options)


def joint(link: LinkContext, estimator, detector, decoder, **options):
    if not hasattr(estimator, "prior"):
        raise ValueError(
            "joint estimates the channel by what is known of it before: use score or "
            "lmmse, or idd in its place"
        )
    if isinstance(estimator, ScoreChannelEstimator) and estimator.spectra > 1:
        raise ValueError(
            "score+joint serves streams that share their spectra: use one user, "
            "score+idd, or lmmse+joint"
        )
    return idd(link, None, detector, decoder, estimator=estimator, **options)


def _restorer(preset: str, **options):
    return ConditionalDDPM.from_preset(preset, **options)


def semantic(preset: str, **options):
    decoder = FlowDecoder if "image_shape" in read_card(preset) else SemanticDecoder
    return decoder.from_preset(preset, **options)


def symbols(preset: str, **options):
    return SymbolDenoising.from_preset(preset, **options)


regression = _restorer
ddpm = partial(_restorer, soft=False)
ddpm_soft = partial(_restorer, soft=True)
ddpm_ancestral = partial(ddpm, num_steps=200, eta=1.0)
ddpm_soft_ancestral = partial(ddpm_soft, num_steps=200, eta=1.0)
zero_forcing_water = partial(ZF, water_filling=True)
transmit_wiener = partial(RZF, equal_power=False)


def mimo_least_squares(ensemble: MimoContext):
    return mimo_baselines.least_squares


def mimo_sparse(ensemble: MimoContext):
    return mimo_baselines.sparse


def mimo_lmmse(ensemble: MimoContext):
    return partial(mimo_baselines.lmmse, covariances=ensemble.covariances())


def mimo_genie(ensemble: MimoContext):
    return mimo_baselines.genie


def mimo_score(ensemble: MimoContext):
    """One evaluation for orthogonal pilots, and message passing for others."""
    if ensemble.orthogonal:
        return mimo_tweedie(ensemble)
    return _around(mimo.checked, ensemble.denoiser, ensemble.spectral)


def _on_denoiser(estimator, ensemble: MimoContext):
    return _around(estimator, ensemble.denoiser)


mimo_tweedie = partial(_on_denoiser, mimo.tweedie)
mimo_dmse = partial(_on_denoiser, mimo.dmse)
mimo_vamp = partial(_on_denoiser, mimo.vamp)
mimo_posterior = partial(_on_denoiser, mimo.posterior)
mimo_langevin = partial(_on_denoiser, mimo.langevin)


def coarse_bussgang(ensemble: MimoContext):
    known = partial(coarse.bussgang, _bits(ensemble))
    receive, transmit = ensemble.average
    return partial(known, receive=receive, transmit=transmit)


def coarse_bussgang_genie(ensemble: MimoContext):
    return partial(coarse.bussgang, _bits(ensemble))


def coarse_genie(ensemble: MimoContext):
    return partial(coarse.genie, _bits(ensemble))


def _on_levels(estimator, ensemble: MimoContext):
    denoise = partial(denoised, ensemble.denoiser)
    return partial(estimator, denoise, _bits(ensemble))


coarse_around = partial(_on_levels, coarse.around)
coarse_message_passing = partial(_on_levels, coarse.message_passing)


def _bits(ensemble: MimoContext) -> int:
    if ensemble.converter_bits is None:
        raise ValueError(
            "the names with bussgang and ep are of estimators behind converters: set "
            "estimation.converter_bits, or leave them out"
        )
    return ensemble.converter_bits


def mimo_adaptive(ensemble: MimoContext):
    return _around(mimo.adaptive, ensemble.spectral)


def _around(estimator, *denoisers):
    """An estimator around denoisers, as a function of y, pilots and no."""
    return lambda y, pilots, no: estimator(*denoisers, y, pilots, np.float32(no))


def blocks_by_lmmse(blocks: BlockContext, **options):
    covariance = blocks.covariance[None]
    return SemiBlind(blocks, lambda *_: covariance, **options)


blocks_by_pilots = partial(blocks_by_lmmse, aided=False)


def blocks_by_spectrum(blocks: BlockContext, **options):
    spectrum = JointSpectrum(blocks.shape)
    return SemiBlind(blocks, lambda told, _: spectrum(*told), **options)


def blocks_of_genie(blocks: BlockContext):
    return SemiBlind(blocks, lambda _, covariance: covariance)
