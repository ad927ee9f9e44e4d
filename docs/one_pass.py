"""What one pass through a known amplifier can tell, without the decoder.

python docs/one_pass.py [ESNO_DB ...]

Information of a bit of 64-QAM behind the 3GPP polynomial at 2 dB back-off, 4 grids a
point: distortion as noise; LMMSE with the amplifier linearised about the symbols that
were sent, which are themselves taken as unknown (no receiver knows where to linearise
as well as this); the same about soft decisions without the decoder; and without the
distortion that was sent.
"""

import sys

import numpy as np
import tensorflow as tf

from link_sim import load_scenario
from link_sim.experiments.link import Link
from link_sim.receivers.detection.linearised import Linearised

SETTINGS = (
    "payload.source=random", "grid.fft_size=256", "batch_size=4",
    "hardware.amplifier=3gpp-polynomial", "hardware.back_off_db=2",
)  # fmt: skip
NOTHING = 1e-3
"""Noise of symbols as sent, for their LLRs."""


def information(llr, c) -> float:
    """Of a bit: 1 - E[log2(1 + exp(-llr))], bits as if 1."""
    return 1 - float(tf.reduce_mean(tf.math.softplus(-llr * c))) / np.log(2)


def compare(link, esno_db: float) -> dict[str, float]:
    """Information by what is known."""
    sender, detector = link.transmitter, link.receivers[0].detector
    world = link.draw(link.scenario.at(esno_db), 0)
    h = tf.ones([len(world.y), 1, 1, 1, 1, world.x_rg.shape[3], 1], tf.complex64)
    h *= tf.gather(sender.hardware.response, sender.hardware.transmitter.wave.used)
    share = detector.on_data(sender.hardware.amplified_share)
    steps = Linearised(sender)
    sent = steps.amplified.data_of(world.x_rg)
    c = tf.sign(detector.demap(sent, np.float32(NOTHING)))
    z, no = detector.symbols(world.y, h, tf.zeros([1] * 7), world.no)
    e = steps.amplified(sent) - sent
    mean, doubt = detector.demap.moments(detector.demap(z, no))
    doubt = tf.reduce_mean(doubt, [1, 2, 3])
    found = {
        "distortion as noise": (z, no),
        "linearised about what was sent": steps(
            z, no - share, sent, tf.ones(len(world.y))
        ),
        "linearised about soft decisions": steps(z, no - share, mean, doubt),
        "distortion known": (z - e, no - share),
    }
    return {name: information(detector.demap(*x), c) for name, x in found.items()}


if __name__ == "__main__":
    points = [float(each) for each in sys.argv[1:]] or [9.0, 10.0, 11.0, 12.0, 13.0]
    own = load_scenario(
        "image-awgn", [*SETTINGS, f"sweep={{axis='esno_db', points={points}}}"]
    )
    opened = Link(own, ["perfect-csi+bussgang"])
    for point in points:
        found = compare(opened, point)
        print(f"{point:g} dB:", ", ".join(f"{n} {v:.3f}" for n, v in found.items()))
