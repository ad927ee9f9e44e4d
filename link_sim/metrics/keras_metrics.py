"""Metrics of a link for `compile(metrics=[…])`: counts, divided at last."""

from typing import Any

import keras
from keras import ops

from link_sim.metrics.rates import ROUNDING_MSE


class Ratio(keras.metrics.Metric):
    """A ratio of two sums over all that was seen, in double precision.

    Input
    -----
    y_true, y_pred : alike in shape

    Raises `ValueError` for sample weights: frames count alike.
    """

    def __init__(
        self, name: str | None = None, dtype: str = "float64", **kwargs: Any
    ) -> None:
        super().__init__(name=name, dtype=dtype, **kwargs)
        self.part = self.add_variable((), "zeros", self.dtype, name="part")
        self.whole = self.add_variable((), "zeros", self.dtype, name="whole")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        if sample_weight is not None:
            raise ValueError(f"{self.name} counts frames alike: leave weights out")
        y_true, y_pred = ops.convert_to_tensor(y_true), ops.convert_to_tensor(y_pred)
        for total, seen in zip(
            (self.part, self.whole), self.counts(y_true, y_pred), strict=True
        ):
            total.assign_add(ops.cast(seen, self.dtype))

    def result(self) -> Any:
        return self.part / self.whole

    def counts(self, y_true: Any, y_pred: Any) -> tuple[Any, Any]:
        """What a batch adds to both sums."""
        raise NotImplementedError


@keras.saving.register_keras_serializable("link_sim")
class BitErrorRate(Ratio):
    """Wrong bits over bits; see `Ratio`. `y_pred` holds bits or their LLRs."""

    def __init__(self, name: str = "ber", **kwargs: Any) -> None:
        super().__init__(name, **kwargs)

    def counts(self, y_true: Any, y_pred: Any) -> tuple[Any, Any]:
        wrong = ops.cast(wrong_bits(y_true, y_pred), self.dtype)
        return ops.sum(wrong), ops.size(wrong)


@keras.saving.register_keras_serializable("link_sim")
class BlockErrorRate(Ratio):
    """Blocks, rows of the last axis, with a wrong bit over blocks; see `Ratio`."""

    def __init__(self, name: str = "bler", **kwargs: Any) -> None:
        super().__init__(name, **kwargs)

    def counts(self, y_true: Any, y_pred: Any) -> tuple[Any, Any]:
        wrong = ops.cast(ops.any(wrong_bits(y_true, y_pred), axis=-1), self.dtype)
        return ops.sum(wrong), ops.size(wrong)


@keras.saving.register_keras_serializable("link_sim")
class PSNR(Ratio):
    """PSNR of the mean squared error [dB] of images in [0, 1]; see `Ratio`.

    Of error-free images it is 58.92 dB, the rounding noise of 8 bits.
    """

    def __init__(self, name: str = "psnr", **kwargs: Any) -> None:
        super().__init__(name, **kwargs)

    def counts(self, y_true: Any, y_pred: Any) -> tuple[Any, Any]:
        error = ops.square(ops.cast(ops.subtract(y_pred, y_true), self.dtype))
        return ops.sum(error), ops.size(error)

    def result(self) -> Any:
        return -10 * ops.log10(ops.maximum(super().result(), ROUNDING_MSE))


@keras.saving.register_keras_serializable("link_sim")
class NMSE(Ratio):
    """Energy of the error over that of the truth [dB], real or complex; see `Ratio`."""

    def __init__(self, name: str = "nmse", **kwargs: Any) -> None:
        super().__init__(name, **kwargs)

    def counts(self, y_true: Any, y_pred: Any) -> tuple[Any, Any]:
        error = ops.subtract(y_pred, y_true)  # of any precision each
        return self._energy(error), self._energy(y_true)

    def result(self) -> Any:
        return 10 * ops.log10(super().result())

    def _energy(self, x: Any) -> Any:
        return ops.sum(ops.square(ops.cast(ops.abs(x), self.dtype)))


def wrong_bits(y_true: Any, y_pred: Any) -> Any:
    """Which bits differ; those whose LLR is not a number do."""
    decided = ops.where(y_pred > 0, 1.0, 0.0)
    missing = ops.isnan(y_pred)
    return ops.logical_or(ops.not_equal(ops.cast(y_true, "float32"), decided), missing)
