"""What training in the impaired link brings to an image codec that was not.

    python docs/fine_tuning.py [STEPS [BACK_OFF_DB]]

The scenario `hardware-semantic` at one back-off: PSNR on 200 images that no training
saw, the same noise for all, and the difference to the shipped networks with its 95 %
interval. First what takes no training: the shipped encoder is told of the distortion;
then the decoder is told gain and error of each symbol as training images have them,
where the receiver states those of white Gaussian symbols. Then the decoder, and encoder
and decoder, are trained on in the impaired link, and the decoder over white noise of
the variance that is stated: what that gains comes of training for one noise level and
one number of symbols, not of the hardware.
"""

import sys
import time

import keras
import numpy as np
import tensorflow as tf
from sionna.phy import config

from link_sim import load_scenario
from link_sim.experiments.semantic_receivers import load_encoder, load_receiver
from link_sim.receivers.images.bits import image_from_levels
from link_sim.world.shared_grid import SharedGrid, noise_variance
from link_sim.world.sources import evaluation_pictures, training_pictures

COUNT, BATCH, TESTED, MEASURED = 256, 32, 200, 1000
LEARNING_RATE = 3e-4
ELSEWHERE_DB = 2.0, 4.0, 8.0
"""Back-offs that the decoder was not trained at."""


class ImpairedLink:
    """Encoder, amplifier, AWGN, equaliser and decoder."""

    def __init__(self, back_off_db: float):
        setting = f"hardware.back_off_db={back_off_db}"
        scenario = load_scenario("hardware-semantic", [setting])
        receiver = load_receiver(scenario, "perfect-csi+ae")
        self.encoder = load_encoder(scenario, receiver.sender)
        self.decoder = receiver.decoder
        self.grid = SharedGrid(scenario, COUNT)
        self.no = noise_variance(scenario.sweep.esno_db)
        self.told, self.gain, self.error = self.no, None, None
        self.networks = [self.encoder.network, self.decoder.network]
        self.shipped = [network.get_weights() for network in self.networks]
        h, noise = self.grid.draw(tf.constant(1), self.no)
        sent = self.grid.send(tf.zeros([1, 1, COUNT], tf.complex64), h, noise)
        self.no_eff = self.equalise(sent, h)[1]

    def restore(self) -> None:
        """Takes the shipped weights."""
        for network, weights in zip(self.networks, self.shipped, strict=True):
            network.set_weights(weights)
        self.told, self.gain, self.error = self.no, None, None

    def measure(self, levels) -> None:
        """Takes gain and error of each symbol from pictures, [number, 1, ...]."""
        h, noise = self.grid.draw(tf.constant(len(levels)), self.no)
        x = self.encoder(image_from_levels(levels), count=COUNT, no=self.told)
        x_hat, _ = self.equalise(self.grid.send(x, h, noise), h)
        energy = tf.reduce_mean(tf.abs(x) ** 2, axis=0)
        product = tf.reduce_mean(tf.math.conj(x) * x_hat, axis=0)
        self.gain = product / tf.cast(energy, x.dtype)
        self.error = tf.reduce_mean(tf.abs(x_hat / self.gain - x) ** 2, axis=0)

    def equalise(self, y, h):
        """Symbols, and the variance of their noise and distortion."""
        known = self.grid.seen(h), tf.zeros([1] * 7)
        return self.grid.receive(y, *known, self.no, alone=False)

    def images(self, image, h, noise, white=None):
        """As decoded; `white` noise of variance 1 in place of link and hardware."""
        x = self.encoder(image, count=COUNT, no=self.told)
        if white is None:
            seen = self.equalise(self.grid.send(x, h, noise), h)
        else:
            no_eff = tf.broadcast_to(self.no_eff, tf.shape(x))
            std = tf.cast(tf.sqrt(no_eff), x.dtype)
            seen = x + std * white, no_eff
        if self.gain is not None:
            seen = seen[0] / self.gain, tf.broadcast_to(self.error, tf.shape(x))
        return self.decoder(*seen)


def errors(link: ImpairedLink) -> np.ndarray:
    """Squared error of each image that is tested."""
    image = image_from_levels(evaluation_pictures()[0][:TESTED, None])
    config.seed = 7
    received = link.images(image, *link.grid.draw(tf.constant(TESTED), link.no))
    return np.mean((received - image) ** 2, axis=(1, 2, 3, 4))


def fine_tune(link: ImpairedLink, networks, steps: int, white: bool) -> None:
    """Trains `networks` on, with AdamW and a cosine."""
    pictures, rng = training_pictures()[0], np.random.default_rng(1)
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0, steps, warmup_target=LEARNING_RATE, warmup_steps=steps // 10
    )
    optimizer = keras.optimizers.AdamW(schedule, global_clipnorm=1.0)
    variables = [v for network in networks for v in network.trainable_variables]
    optimizer.build(variables)
    config.seed = 1

    @tf.function
    def step(image, h, noise, normal):
        with tf.GradientTape() as tape:
            received = link.images(image, h, noise, normal if white else None)
            each = tf.reduce_mean((received - image) ** 2, [1, 2, 3, 4])
            loss = tf.reduce_mean(each)
        optimizer.apply(tape.gradient(loss, variables), variables)

    start = time.perf_counter()
    for _ in range(steps):
        levels = pictures[rng.integers(0, len(pictures), BATCH)][:, None]
        mirrored = rng.random((BATCH, 1, 1, 1, 1)) < 0.5
        image = image_from_levels(np.where(mirrored, levels[:, :, :, ::-1], levels))
        normal = rng.standard_normal((2, BATCH, 1, COUNT)) / np.sqrt(2)
        normal = tf.constant(normal[0] + 1j * normal[1], tf.complex64)
        step(image, *link.grid.draw(tf.constant(BATCH), link.no), normal)
    print(f"{steps} steps of {BATCH} images: {time.perf_counter() - start:.0f} s")


def show(name: str, found: np.ndarray, before: np.ndarray) -> None:
    """PSNR, and its gain by the delta method for a ratio of means, in dB."""
    gain = 10 * np.log10(before.mean() / found.mean())
    spread = np.std(before / before.mean() - found / found.mean(), ddof=1)
    margin = 1.96 * 10 / np.log(10) * spread / np.sqrt(len(found))
    psnr = -10 * np.log10(found.mean())
    print(f"{name}: {psnr:.2f} dB, gain {gain:.2f} +- {margin:.2f} dB", flush=True)


def elsewhere(link: ImpairedLink) -> None:
    """Shows what the networks of `link` bring at other back-offs."""
    for back_off_db in ELSEWHERE_DB:
        other = ImpairedLink(back_off_db)
        before = errors(other)
        show(f"shipped, back-off {back_off_db:g} dB", before, before)
        for own, network in zip(other.networks, link.networks, strict=True):
            own.set_weights(network.get_weights())
        show(f"the same decoder, back-off {back_off_db:g} dB", errors(other), before)


def main(steps: int = 200, back_off_db: float = 0.0) -> None:
    keras.utils.set_random_seed(1)
    link = ImpairedLink(back_off_db)
    before, distorted = errors(link), np.float32(tf.reduce_mean(link.no_eff))
    print(f"noise and distortion {10 * np.log10(distorted):.1f} dB")
    show("shipped", before, before)
    link.told = distorted
    show("encoder told of the distortion", errors(link), before)
    link.restore()
    link.measure(training_pictures()[0][:MEASURED, None])
    show("gain and error of each symbol measured", errors(link), before)
    both, decoder = link.networks, link.networks[1:]
    for name, networks, white in (
        ("decoder", decoder, False),
        ("decoder, over white noise", decoder, True),
        ("encoder and decoder", both, False),
    ):
        link.restore()
        fine_tune(link, networks, steps, white)
        show(f"fine-tuned: {name}", errors(link), before)
        if name == "decoder":
            elsewhere(link)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]), *map(float, sys.argv[2:3]))
