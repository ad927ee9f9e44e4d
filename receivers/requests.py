"""What blocks ask for beyond what their slot hands over: arguments of these names.

    frame : number of the first frame of the batch, where frames are told apart
    noise : standard normal, [batch, draws, *image_shape], for a restorer that samples;
        its `num_draws` says how many it needs

As `training` in Keras: a block whose `call` has such an argument gets it, whoever wrote
it, and others are called without.
"""

import inspect

import keras
from keras import ops


def asks(block, name: str) -> bool:
    """Whether the `call` of a block, or the block itself, has an argument `name`."""
    try:
        known = inspect.signature(getattr(block, "call", block)).parameters
    except (TypeError, ValueError):  # `None`, or not written in Python
        return False
    return name in known


def requested(block, **offered) -> dict:
    """Those of the offered arguments that a block asks for."""
    return {name: value for name, value in offered.items() if asks(block, name)}


def num_draws(restorer) -> int:
    """Noise images that a restorer needs for each image; 0 if it does not ask.

    Raises `ValueError` where it asks for noise and does not say of how many draws.
    """
    if not asks(restorer, "noise"):
        return 0
    if not hasattr(restorer, "num_draws"):
        raise ValueError(
            f"{type(restorer).__name__} asks for noise and does not say how much: give "
            "it an attribute num_draws, the noise images that it needs for an image"
        )
    return restorer.num_draws


def draw_images_of_noise(num_images: int, draws: int, image_shape, seed):
    """Standard normal, [num_images, draws, *image_shape].

    More draws begin with those of fewer.
    """
    shape = draws, num_images, *image_shape
    return ops.moveaxis(keras.random.normal(shape, dtype="float32", seed=seed), 0, 1)
