"""What blocks are built for: a grid, a code on it, or an ensemble of MIMO channels."""

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np


class GridContext(Protocol):
    """A resource grid and its channels: what estimators are built for.

    resource_grid : sionna.phy.ofdm.ResourceGrid
    sounding_grid : the same with the pilots alone by which channels are estimated
    polarisations : 2 if the receive antennas alternate between two, else 1
    doppler : largest Doppler shift [Hz]
    excess_delay : of the last path that matters after the first [s]; 0 if not known
    spectra : groups of as many streams in a row that have spectra of their own
    """

    resource_grid: Any
    sounding_grid: Any
    polarisations: int
    doppler: float
    excess_delay: float
    spectra: int

    def covariances(self) -> tuple[np.ndarray, ...]:
        """The arguments of `LMMSEChannelEstimator` after the grid."""


class SymbolContext(Protocol):
    """Square QAM of so many bits: what detectors of MIMO symbols are built for."""

    num_bits_per_symbol: int


class LinkContext(GridContext, SymbolContext, Protocol):
    """A grid that carries coded images: what detectors and decoders are built for.

    encoder : sionna.phy.fec.ldpc.LDPC5GEncoder
    num_iter : iterations of belief propagation
    constellation : a `TrainableConstellation`, or None for QAM
    coloured : receive antennas over which interference colours the noise, else 0
    superimposed : `SuperimposedPilots` on the symbols with data, or None
    hardware : what receivers may know of imperfect hardware, or None; see
        `link_sim.receivers.detection.hardware`
    """

    stream_management: Any
    encoder: Any
    num_iter: int
    constellation: Any
    coloured: int
    superimposed: Any
    hardware: Any
    k: int
    blocks_per_image: int
    images_per_frame: int
    image_shape: tuple[int, int, int]

    def demodulate(self, llr, frame=0):
        """LLRs of the codewords from those of the grids, from frame `frame` on."""

    def grid_llr(self, llr, frame=0):
        """The inverse of `demodulate`."""

    def place(self, x):
        """Grids with pilots of symbols [batch, 1, streams, data symbols]."""

    def check(self, llr, frame=0):
        """Image LLRs, hard bits and CRC results from LLRs of decoded blocks."""

    def image_llr(self, llr, frame=0):
        """Values of image bits from those of information bits."""

    def block_llr(self, llr_image, frame=0):
        """The inverse of `image_llr`."""


class MimoContext(Protocol):
    """An ensemble of channels of `Y = H P + N`: what its estimators are built for.

    orthogonal : whether there are as many pilots as antennas, orthogonal ones
    denoiser : of channels, `denoiser(x, sigma)`, as `estimation.mimo` takes it
    spectral : one that reads the spectra off what is observed, a `SpectralDenoiser`
    converter_bits : of each real part of what is observed, `None` if there are none
    average : covariances of receive and transmit antennas, averaged over the ensemble
    """

    orthogonal: bool
    converter_bits: int | None
    average: tuple[np.ndarray, np.ndarray]
    denoiser: Callable
    spectral: Any

    def covariances(self) -> list[np.ndarray]:
        """Of vec(H) row by row, one for each ensemble that is known."""


class FieldContext(Protocol):
    """Channels over antennas and carriers: what estimators of `FIELDS` are built for.

    frequencies : of all carriers, about the middle [Hz]; antennas : their number
    """

    frequencies: np.ndarray
    antennas: int

    def learned(self) -> list[np.ndarray]:
        """Channels of each ensemble that is known, [number, antennas, carriers]."""

    def elsewhere(self) -> np.ndarray:
        """Channels of UMi."""


class FeedbackContext(Protocol):
    """Channels that are fed back: what codecs of `FEEDBACK` are built for."""

    def learned(self) -> np.ndarray:
        """Channels that codecs may learn from, [number, antennas, columns]."""

    def everywhere(self) -> np.ndarray:
        """As many of UMi as of the site."""


class SoundingContext(Protocol):
    """Large arrays behind combiners, `y = M h + n`: what estimators are built for.

    array : receivers.estimation.spherical_waves.Aperture
    shape : antennas along its axes; spacing : in wavelengths
    nearest : range that sources keep [m]; number : of paths, 0 for Gaussian channels
    frequencies : of the snapshots, relative to the carrier [Hz]
    stretch : frequency over the carrier's that waves follow, of each snapshot, or 1
    """

    array: Any
    shape: tuple[int, ...]
    spacing: float
    nearest: float
    number: int
    frequencies: tuple[float, ...]
    stretch: Any

    def covariance(self) -> np.ndarray:
        """Of the channels, over their whole population."""

    def received(self) -> tuple[np.ndarray, np.ndarray, float]:
        """Pilots of earlier channels: y [snapshots, size], m for each, and `no`."""


class BlockContext(Protocol):
    """Short blocks over flat channels: what semi-blind receivers are built for.

    code : a `ConvolutionalCode`; n, k : its coded and information bits
    pilots : complex64 [streams, uses]; shape : receive and transmit antennas
    covariance : of vec(H) row by row, over all channels, complex128
    """

    code: Any
    n: int
    k: int
    pilots: np.ndarray
    shape: tuple[int, int]
    covariance: np.ndarray

    def grid_llr(self, llr):
        """LLRs of coded bits, [batch, n] -> [batch, uses, streams, 2]."""

    def demodulate(self, llr):
        """The inverse of `grid_llr`."""
