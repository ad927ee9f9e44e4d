"""`link-sim` with a link that can receive no more than `FAKE_MEMORY` frames at once."""

import os

import tensorflow as tf

from link_sim import cli
from link_sim.experiments.link import Link

LIMIT = int(os.environ["FAKE_MEMORY"])


def receive(link, world, whole=Link.receive):
    if world.b.shape[0] > LIMIT:
        raise tf.errors.ResourceExhaustedError(None, None, "out of memory")
    return whole(link, world)


if __name__ == "__main__":
    Link.receive = receive
    cli.main()
