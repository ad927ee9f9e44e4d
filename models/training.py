"""Training that can be stopped at any instant and resumed exactly."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import keras
import numpy as np


def train(
    layer: Callable,
    batch: Callable[[int], tuple],
    steps: int,
    folder: Path,
    loss="mse",
    learning_rate: float = 1e-3,
    ema_momentum: float = 0.999,
    save_every: int = 500,
    report: Callable[[int, float], None] = lambda step, loss: None,
) -> float:
    """Trains the weights of `layer` and leaves their moving average in it.

    AdamW, linear warm-up and cosine decay to zero, exponential moving average of
    the weights. A step's data depend on nothing but its number, and a checkpoint
    holds the weights and the whole optimizer state: a run that was interrupted
    continues from `folder/checkpoint.npz` and ends as if it never was.

    Args:
        layer: A Keras layer, or a function of Keras tensors around one.
        batch: `batch(step)` gives the inputs (a tuple of arrays), the target and
            optional sample weights (or `None`) of a step.
        steps: Number of steps.
        folder: Where the checkpoint is kept.
        loss: A Keras loss between target and output.
        learning_rate: Its peak.
        report: Called with step and mean loss since the last call, with each
            checkpoint.

    Returns the seconds that the steps took, those before interruptions included.
    Raises `ValueError` for settings out of range, and for a checkpoint of a training
    with other settings or data.
    """
    if steps < 1 or not 0 < learning_rate < 1:
        raise ValueError(
            f"steps = {steps} and learning_rate = {learning_rate} are no training: use "
            "1 step or more, and a learning rate between 0 and 1"
        )
    data = batch(0)
    identity = _identity(data, steps, learning_rate, ema_momentum)
    model = _compiled(layer, data[0], steps, loss, learning_rate, ema_momentum)
    checkpoint = Path(folder) / "checkpoint.npz"
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    spent = _restore(model, checkpoint, identity) if checkpoint.exists() else 0.0
    start = time.perf_counter() - spent
    losses, first = [], int(model.optimizer.iterations)
    for step, data in enumerate(_ahead(batch, first, steps), first + 1):
        losses.append(float(model.train_on_batch(*data)))
        if step % save_every == 0 or step == steps:
            spent = time.perf_counter() - start
            _save(model, checkpoint, identity, spent)
            report(step, float(np.mean(losses)))
            losses = []
    model.optimizer.finalize_variable_values(model.trainable_variables)
    return spent


def low_discrepancy(rng: np.random.Generator, size: int) -> np.ndarray:
    """`size` stratified uniforms on [0, 1) in random order: one in each 1/size.

    Cheap variance reduction for the noise levels of a batch (Kingma et al.,
    "Variational diffusion models", 2021, appendix I.1).
    """
    return rng.permutation((rng.random() + np.arange(size)) / size % 1)


def _ahead(batch, first, last):
    """Yields `batch(first)` to `batch(last - 1)`, preparing the next meanwhile."""
    with ThreadPoolExecutor(max_workers=1) as worker:
        following = worker.submit(batch, first)
        for step in range(first + 1, last + 1):
            data, following = following.result(), worker.submit(batch, step)
            yield data


def _compiled(layer, inputs, steps, loss, learning_rate, ema_momentum):
    tensors = tuple(keras.Input(a.shape[1:], dtype=str(a.dtype)) for a in inputs)
    model = keras.Model(tensors, layer(*tensors))
    warmup = min(300, steps // 10)
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0, steps - warmup, warmup_target=learning_rate, warmup_steps=warmup
    )
    optimizer = keras.optimizers.AdamW(
        schedule,
        weight_decay=1e-4,
        global_clipnorm=1.0,
        use_ema=True,
        ema_momentum=ema_momentum,
    )
    model.compile(optimizer, loss, jit_compile=False)
    optimizer.build(model.trainable_variables)
    return model


def _identity(data, *settings: float) -> np.ndarray:
    """Numbers that tell a training from others: its settings, and some of its data."""
    inputs, target, _ = data
    arrays = [np.ravel(np.asarray(array)) for array in (*inputs, target)]
    some = [array[:: max(1, array.size // 64)] for array in arrays]
    return np.concatenate([settings, *some]).astype("complex128")


def _save(model, checkpoint, identity, seconds):
    variables = model.weights + model.optimizer.variables
    arrays = {str(i): np.asarray(v) for i, v in enumerate(variables)}
    partial = checkpoint.with_name("partial.npz")
    np.savez(partial, identity=identity, seconds=seconds, **arrays)
    partial.replace(checkpoint)


def _restore(model, checkpoint, identity) -> float:
    """Takes up a checkpoint; returns the seconds until then."""
    variables = model.weights + model.optimizer.variables
    with np.load(checkpoint, allow_pickle=False) as arrays:
        known = arrays.get("identity", np.zeros(0))
        if known.shape != identity.shape or not np.allclose(known, identity, 1e-3):
            raise ValueError(
                f"{checkpoint} belongs to a training with other settings or data: give "
                "the settings that it was begun with, or another folder"
            )
        for i, variable in enumerate(variables):
            variable.assign(arrays[str(i)])
        return float(arrays["seconds"])
