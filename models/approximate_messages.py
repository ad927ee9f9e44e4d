"""Approximate message passing for elements from a finite set of levels.

The problem is y = H x + n with real H [rows, columns], n ~ N(0, noise I), and every
element of x one of a few levels. The first axis of every tensor counts problems.
"""

from typing import NamedTuple

from keras import ops

FLOOR = 1e-7
"""Smallest variance of an element."""


class Messages(NamedTuple):
    """What one step hands to the next.

    x, v : [batch, columns], mean and variance of the elements
    z, z_var : [batch, rows], mean of H x before this row is seen, and its variance
    """

    x: object
    v: object
    z: object
    z_var: object


class Mixing(NamedTuple):
    """A matrix and the squares of its elements, and both transposed.

    h, power : [batch, rows, columns]; h_t, power_t : [batch, columns, rows]
    """

    h: object
    power: object
    h_t: object
    power_t: object


def mixing(h) -> Mixing:
    """What `amp_step` needs of h [batch, rows, columns]."""
    h_t = ops.swapaxes(h, 1, 2)
    return Mixing(h, h**2, h_t, h_t**2)


def start(y, logits, levels) -> Messages:
    """The messages before the first step: the prior's moments, rows of variance 1."""
    x, v = moments(logits, levels)
    z = ops.zeros_like(y)
    return Messages(x, v, z, z + 1)


def amp_step(y, h: Mixing, noise, messages: Messages, keep):
    """Pseudo-observations R = x + error of variance S, and the messages, damped.

    y : [batch, rows]; noise : [batch]; keep : share of the former z and z_var
    Rangan, "Generalized approximate message passing", ISIT 2011, algorithm 1.

    Returns R, S [batch, columns] and z, z_var [batch, rows].
    """
    noise = noise[:, None]
    x, v, z, z_var = messages
    new_var = row_times(v, h.power_t)
    new_z = row_times(x, h.h_t) - new_var * (y - z) / (noise + z_var)
    z, z_var = keep * z + (1 - keep) * new_z, keep * z_var + (1 - keep) * new_var
    weight = 1 / (noise + z_var)
    s = 1 / (row_times(weight, h.power) + FLOOR)
    return x + s * row_times((y - z) * weight, h.h), s, z, z_var


def gaussian_logits(r, s, levels):
    """Logits [batch, columns, levels] of the levels, given R of variance S."""
    distance = ops.convert_to_tensor(levels, "float32") - r[..., None]
    return -(distance**2) / (2 * s[..., None])


def moments(logits, levels):
    """Mean and variance [batch, columns] of elements whose levels have these logits."""
    levels = ops.convert_to_tensor(levels, "float32")
    p = ops.softmax(logits)
    mean = ops.sum(p * levels, axis=-1)
    variance = ops.sum(p * (levels - mean[..., None]) ** 2, axis=-1)
    return mean, ops.maximum(variance, FLOOR)


def row_times(vector, matrix):
    """The products [batch, columns] of row vectors [batch, rows] and matrices."""
    return ops.matmul(vector[:, None], matrix)[:, 0]
