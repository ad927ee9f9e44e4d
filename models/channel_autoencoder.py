"""An autoencoder of channels in angle and delay, for codes of any number of bits."""

import keras
import numpy as np
from keras import ops


@keras.saving.register_keras_serializable(package="link_sim")
class ChannelAutoencoder(keras.layers.Layer):
    """Channels to components that are told one by one, and back.

    As CsiNet (Wen, Shih and Jin, IEEE Wireless Communications Letters 2018) it has
    convolutions over angle and delay around linear maps. Those are products of a map
    over angles and one over delays, and all components may be told: `variances` say
    which, and how finely, by reverse water-filling. The decoder knows the water level.

    Args:
        shape: Antennas and carriers.
        width: Channels of all convolutions.
        blocks: Residual blocks of encoder and decoder each.
    """

    def __init__(self, shape=(16, 64), width=56, blocks=2, **kwargs):
        super().__init__(**kwargs)
        self.shape, self.width, self.blocks = tuple(shape), width, blocks
        self.encoder = _corrections(self.shape, 2, width, blocks)
        self.decoder = _corrections(self.shape, 5, width, blocks)
        self.maps = [
            self.add_weight((n, n, 2), "zeros", name=f"map_{end}_{n}")
            for end in ("in", "out")
            for n in self.shape
        ]
        count = int(np.prod(self.shape))
        self.variances = self.add_weight(
            (count,), "zeros", trainable=False, name="variances"
        )
        self._turns = [np.fft.fft(np.eye(n), norm="ortho") for n in self.shape]
        self.built = True

    def begin(self, covariances) -> None:
        """Makes of an untrained network the eigenvectors of covariances of both axes.

        covariances : complex [antennas, antennas] and [carriers, carriers]
        """
        for axis, (covariance, turn) in enumerate(
            zip(covariances, self._turns, strict=True)
        ):
            vectors = turn.conj() @ np.linalg.eigh(covariance)[1]
            for own, value in zip(
                self.maps[axis::2], (vectors.conj().T, vectors), strict=True
            ):
                own.assign(np.stack([value.real, value.imag], axis=-1))

    def encode(self, h):
        """Components [batch, antennas, carriers] of channels, both complex64."""
        left, right = (ops.cast(np.conj(turn), "complex64") for turn in self._turns)
        x = left @ ops.cast(h, "complex64") @ ops.transpose(right)
        x = x + ops.view_as_complex(self.encoder(ops.view_as_real(x)))
        return self._mapped(x, self.maps[:2])

    def decode(self, z, level):
        """Channels of components as they are told, with the water level [batch]."""
        x = self._mapped(z, self.maps[2:])
        root = ops.sqrt(level)[:, None, None, None]
        image = ops.view_as_real(x)
        known = ops.broadcast_to(ops.log10(root), ops.shape(image[..., :1]))
        seen = ops.concatenate([image, ops.arcsinh(image / root), known], axis=-1)
        x = x + ops.view_as_complex(root * self.decoder(seen))
        left, right = (ops.cast(turn, "complex64") for turn in self._turns)
        return left @ x @ ops.transpose(right)

    def _mapped(self, x, maps):
        left, right = map(ops.view_as_complex, maps)
        return left @ x @ ops.transpose(right)

    def get_config(self):
        config = {"shape": self.shape, "width": self.width, "blocks": self.blocks}
        return {**super().get_config(), **config}


def _corrections(shape, fields: int, width: int, blocks: int) -> keras.Model:
    """Real fields to a complex one, [batch, *shape, 2]; zero before training."""
    inputs = keras.Input((*shape, fields))
    options = {"strides": (2, 4), "padding": "same"}
    x = keras.layers.Conv2D(width, (4, 8), **options)(inputs)
    for _ in range(blocks):
        y = keras.layers.Conv2D(width, 3, padding="same")(ops.silu(x))
        x = x + keras.layers.Conv2D(width, 3, padding="same")(ops.silu(y))
    options["kernel_initializer"] = "zeros"
    return keras.Model(inputs, keras.layers.Conv2DTranspose(2, (4, 8), **options)(x))


def water_levels(variances, bits):
    """Distortions of components by reverse water-filling, [rows], differentiable.

    variances : [components]; bits : [rows]. See `feedback.transform.water_level`
    """
    logs = ops.flip(ops.sort(ops.log(ops.maximum(variances, 1e-12)))) / np.log(2)
    count = ops.arange(1, variances.shape[0] + 1, dtype="float32")
    level = (ops.cumsum(logs) - bits[:, None]) / count
    last = ops.sum(ops.cast(level < logs, "int32"), axis=-1, keepdims=True) - 1
    return 2.0 ** ops.take_along_axis(level, last, axis=-1)[:, 0]
