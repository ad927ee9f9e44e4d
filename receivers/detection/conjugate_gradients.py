"""Conjugate gradients for the systems of linear equations of a batch."""

from collections.abc import Callable

import tensorflow as tf


def conjugate_gradients(apply: Callable, right, inner: Callable, iterations: int):
    """Solutions s of apply(s) = right after so many steps, each row by itself.

    apply : a positive definite map of tensors like `right`. inner(a, b) : inner product
    of each row, above 0, of a shape and type that multiply `right`.
    """

    def step(s, rest, towards, energy):
        seen = apply(towards)
        length = energy / inner(towards, seen)
        s, rest = s + length * towards, rest - length * seen
        left = inner(rest, rest)
        return s, rest, rest + left / energy * towards, left

    state = tf.zeros_like(right), right, right, inner(right, right)
    return tf.while_loop(lambda *_: True, step, state, maximum_iterations=iterations)[0]
