"""Detection that knows the hardware: its distortion as noise, or taken away."""

import keras
import numpy as np
import tensorflow as tf

from link_sim.receivers.decoding.belief_propagation import QuasiCyclicBP
from link_sim.receivers.detection.cancellation import Residual
from link_sim.receivers.detection.demapping import QAMDemapper
from link_sim.receivers.detection.elements import GridElements, as_complex
from link_sim.receivers.detection.equalization import LMMSEEqualizer
from link_sim.receivers.detection.linearised import Linearised
from link_sim.receivers.detection.phase_smoothing import PhaseSmoother
from link_sim.receivers.layer import ReceiverLayer


@keras.saving.register_keras_serializable("link_sim")
class HardwareDetector(ReceiverLayer):
    """LLRs by LMMSE equalisation that counts the distortion of the hardware as noise.

    What is received is y = sum_m h_m (x_m + e_m) + w + n, with e and w uncorrelated
    with x (Bussgang). As x + e is white, the LMMSE estimate of x is that of x + e, of
    energy 1 + var(e), and var(e) adds to the variance of its error.

    Where an oscillator turns received symbols, the channel of each OFDM symbol is
    turned by the phase that its pilots show.

    Each of `num_rounds` rounds then takes the symbols that the LLRs give, x' =
    E[x | LLR], for what was sent: it reads the phase off them too, and takes away what
    the amplifiers make of them, y - sum_m h_m beta e(x'_m), with what is left of e
    counted as noise (Tellado, Hoo and Cioffi 2003; beta and the rest are measured, see
    `Residual`). With phase noise the phase within symbols is taken away too, see
    `PhaseSmoother`. With `decoding`, LLRs go through belief propagation first. With
    `linearised`, errors of decisions go through the derivative of the amplifiers
    instead (see `Linearised`).

    Without hardware it is the detector `linear`.

    Parameters
    ----------
    transmitter : the transmitter whose hardware is known, a `LinkContext`
    num_rounds : of decisions
    decoding : whether decisions are those of the channel decoder
    linearised : whether amplifiers are linearised about decisions

    Input
    -----
    y, h_hat, err_var, no : as in `LMMSEEqualizer`
    frame : number of the first frame, where they are a part of a batch

    Output
    ------
    llr : [batch, 1, streams, data symbols * num_bits_per_symbol], float

    Raises `ValueError` for learned constellations.
    """

    def __init__(
        self, transmitter, num_rounds=0, decoding=False, linearised=False, **kwargs
    ):
        super().__init__(**kwargs)
        if transmitter.constellation is not None:
            raise ValueError(
                "receivers that know the hardware know QAM alone: leave constellation "
                "out, or use the detector linear"
            )
        self.transmitter = transmitter
        self.num_rounds, self.decoding = num_rounds, decoding
        self.linearised = linearised
        grid = transmitter.resource_grid
        self._data = GridElements(grid).data
        self._used = np.asarray(grid.effective_subcarrier_ind)
        self._equalise = LMMSEEqualizer(grid)
        self.demap = QAMDemapper("app", transmitter.num_bits_per_symbol)
        self._bp = QuasiCyclicBP(transmitter.encoder) if decoding else None
        hardware = transmitter.hardware
        self._residual = self._linear = self._smoother = None
        if hardware is not None and num_rounds and hardware.phase_lines is not None:
            self._smoother = PhaseSmoother(hardware.phase_lines)
        if hardware is not None and num_rounds and hardware.amplified_share.any():
            if linearised:
                self._linear = Linearised(transmitter)
                self._amplified = self.on_data(hardware.amplified_share)
            else:
                self._residual = Residual(transmitter, self.demap)

    def call(self, y, h_hat, err_var, no, frame=0):
        return self.demap(*self.symbols(y, h_hat, err_var, no, frame))

    def symbols(self, y, h_hat, err_var, no, frame=0):
        """What is demapped after the last round: symbols, and their noise variances.

        Arguments as of a call; [batch, 1, streams, data symbols], complex and float.
        """
        hardware = self.transmitter.hardware
        if hardware is None:
            return self._equalise(y, h_hat, err_var, no)
        err_var, share = known_distortion(hardware, h_hat, err_var, no)
        h = h_hat
        if hardware.turns:
            shape = tf.shape(y)[0], 1, h_hat.shape[4], len(self._data)
            pilots = self.transmitter.place(tf.zeros(shape, tf.complex64))
            h = self._turned(y, h_hat, pilots)
        found = self._equalised(y, h, err_var, no, share)
        for _ in range(self.num_rounds):
            llr = self.demap(*found)
            x, doubt = self.demap.moments(self._decoded(llr, frame))
            doubt = tf.reduce_mean(doubt, axis=[1, 2, 3])
            x_rg = self.transmitter.place(x)
            h = self._turned(y, h_hat, x_rg) if hardware.turns else h
            y_left, left = y, err_var
            if self._residual is not None:
                e, share = self._residual(x, x_rg)
                y_left = y - self._received(h, e)
            if self._smoother is not None:
                if self._linear is not None:
                    x_rg = x_rg + hardware.distortion_of(x_rg)
                y_left, still = self._straightened(y_left, h, x_rg, doubt, no)
                left = err_var - still
            found = self._equalised(y_left, h, left, no, share)
            if self._linear is not None:
                found = self._linear(found[0], found[1] - self._amplified, x, doubt)
        return found

    def on_data(self, share):
        """What is given for the subcarriers in use, for each symbol with data."""
        rows = self.transmitter.resource_grid.num_ofdm_symbols
        return np.tile(share, rows)[self._data]

    def get_config(self):
        names = "num_rounds", "decoding", "linearised"
        options = {name: getattr(self, name) for name in names}
        saved = keras.saving.serialize_keras_object(self.transmitter)
        return super().get_config() | {"transmitter": saved} | options

    def _equalised(self, *seen):
        return equalise_distorted(self._equalise, self._data, *seen)

    def _decoded(self, llr, frame):
        """LLRs of the grid a posteriori of belief propagation, or as they are.

        Bits that fill a frame are not coded, and stay as they are too.
        """
        if self._bp is None:
            return llr
        start = self._bp.start(self.transmitter.demodulate(llr, frame))
        none = self._bp.no_messages(tf.shape(start)[-1])
        total, _ = self._bp.run(start, none, self.transmitter.num_iter)
        coded = self.transmitter.grid_llr(self._bp.codeword(total), frame)
        return tf.where(coded == 0, llr, coded)

    def _turned(self, y, h, x_rg):
        """The channel, each OFDM symbol with the phase that known symbols show."""
        x = tf.gather(x_rg[:, 0], self._used, axis=-1)
        y = tf.gather(y[:, 0], self._used, axis=-1)
        expected = tf.reduce_sum(h[:, 0, :, 0] * x[:, None], axis=2)
        match = tf.reduce_sum(tf.math.conj(expected) * y, axis=[1, 3])
        match = tf.where(tf.abs(match) > 0, match, 1)
        turn = match / as_complex(tf.abs(match))
        return h * turn[:, None, None, None, None, :, None]

    def _straightened(self, y, h, x_rg, doubt, no):
        """y without the phase within symbols, and the error variance that this saves.

        doubt : variance of the errors of x_rg, [batch]. What is saved is that of each
        stream, as `err_var`.
        """
        hardware = self.transmitter.hardware
        energy = tf.reduce_sum(tf.abs(h[:, :, :, 0]) ** 2, axis=3)
        energy = tf.reduce_mean(energy, axis=[1, 3, 4])  # [batch, antennas]
        spread = hardware.phase_lines.sum()
        other = tf.reduce_mean(hardware.received_variance(h, no), axis=[1, 3, 4])
        noise = other - spread * energy + doubt[:, None] * energy
        noise = tf.reduce_mean(noise, axis=1) + tf.reduce_mean(tf.cast(no, tf.float32))
        y, left = self._smoother(y, self._received(h, x_rg), noise)
        saved = (spread - left)[:, None] * energy / h.shape[4]
        return y, saved[:, None, :, None, None, None, None]

    def _received(self, h, e):
        """sum_m h_m e_m over all of fft_size, 0 where nothing is sent."""
        e = tf.gather(e[:, 0], self._used, axis=-1)
        received = tf.reduce_sum(h[:, 0, :, 0] * e[:, None], axis=2)
        size = self.transmitter.resource_grid.fft_size
        place = np.full(size, len(self._used))
        place[self._used] = np.arange(len(self._used))
        received = tf.pad(received, [[0, 0]] * 3 + [[0, 1]])
        return tf.gather(received, place, axis=-1)[:, None]


def known_distortion(hardware, h_hat, err_var, no):
    """`err_var` with the noise of the receiver's hardware in it, and var(e).

    hardware : as a `LinkContext` has it. Returns var(e) as [1, subcarriers in use].
    """
    noise = hardware.received_variance(h_hat, no)[:, :, :, None, None]
    share = tf.constant(hardware.amplified_share + hardware.white_share)[None]
    return err_var + noise / h_hat.shape[4], share


def equalise_distorted(equalise, data, y, h, err_var, no, share):
    """Symbols x of x + e, and the variances of their errors.

    equalise : an `LMMSEEqualizer`, and data : the elements with data of its grid
    share : var(e), [batch or 1, subcarriers in use]; the rest as it takes them
    """
    energy = 1 + share
    scale = tf.sqrt(energy)[:, None, None, None, None, None]
    x, no_eff = equalise(y, h * as_complex(scale), err_var, no)
    energy = tf.tile(energy, [1, h.shape[5]])  # [batch or 1, elements]
    energy = tf.gather(energy, data, axis=-1)[:, None, None]
    return x * as_complex(tf.sqrt(energy)), no_eff * energy + energy - 1
