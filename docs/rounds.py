"""What rounds of the loop bring and take: `docs/images/loop-rounds.png`.

    python docs/rounds.py [BATCHES]

Frames of `joint-image` at Eb/N0 = -12.5 dB, all receivers in turns on the same, on one
thread: lost blocks after each round, over rounds and over time, and what detector and
code tell each other of the coded bits. Prints what it draws, and how long three rounds
take against one pass.
"""

import statistics
import sys
import time
from pathlib import Path

import matplotlib as mpl
import numpy as np
import tensorflow as tf
from matplotlib.figure import Figure

from link_sim.experiments.link import Link
from link_sim.receivers.decoding.convergence import mutual_information
from link_sim.scenarios.loading import load_scenario
from link_sim.show.styles import COLOURS, STYLE

EBNO_DB = -12.5
ROUNDS = 1, 2, 3, 5
LOOPS = "perfect-csi+idd+turbo", "score+joint+turbo"
PASSES = "perfect-csi+turbo", "score+turbo"
PICTURE = Path(__file__).parent / "images" / "loop-rounds.png"


def timed(compute):
    """Seconds of the processor, and what is computed."""
    start = time.process_time()
    found = compute()
    return time.process_time() - start, found


def one_pass(receiver, world):
    """Lost blocks, and seconds of estimator, detector and decoder."""

    def compute():
        seen = receiver.estimate(world.y, world.no, world.h)
        llr = receiver.detect(world.y, *seen, world.no)
        return receiver.decode(llr)[2].numpy()

    seconds, held = timed(compute)
    return 1 - held.mean(), seconds


def turns(receiver, world, rounds: int):
    """The same of a loop that takes so many rounds."""

    def compute():
        seen = receiver.estimate(world.y, world.no, world.h)
        found = receiver.loop.after(rounds, world.y, world.no, *seen)
        return receiver.transmitter.check(found[3])[2].numpy()

    seconds, held = timed(compute)
    return 1 - held.mean(), seconds


def told(receiver, world) -> np.ndarray:
    """Mutual information [rounds, 2] by round: of the detector's LLRs of coded bits,
    and of the code's and the source's."""
    seen = receiver.estimate(world.y, world.no, world.h)
    points = []
    for state in receiver.loop.rounds(world.y, world.no, *seen):
        spoken = receiver.loop.spoken(state)[0]
        points.append(
            [mutual_information(world.c, z.numpy()) for z in (state.llr, spoken)]
        )
    return np.array(points)


def measure(batches: int):
    """Lost blocks and seconds by receiver, [batches, rounds, 2]; what is told."""
    settings = [f"sweep.points=[{EBNO_DB}]", f"receivers={[*LOOPS, *PASSES]}"]
    link = Link(load_scenario("joint-image", settings))
    receivers = {r.name: r for r in link.receivers}
    found = {name: [] for name in receivers}
    for batch in range(-1, batches):
        world = link.draw(link.scenario.at(EBNO_DB), max(batch, 0))
        rounds = ROUNDS if batch >= 0 else ROUNDS[:1]  # once more, to compile
        for name in LOOPS:
            found[name].append([turns(receivers[name], world, n) for n in rounds])
        for name in PASSES:
            found[name].append([one_pass(receivers[name], world)])
        print("batch", batch, flush=True)
    paths = {name: told(receivers[name], world) for name in LOOPS}
    return {name: np.array(z[1:]) for name, z in found.items()}, paths


def draw(axes, found, paths) -> None:
    """Lost blocks over rounds and over time, and the staircases of what is told."""
    over_rounds, over_time, told_both = axes
    for name, colour in zip(LOOPS, COLOURS, strict=False):
        lost, seconds = found[name].mean(0).T
        lost = np.where(lost > 0, lost, np.nan)
        over_rounds.semilogy(ROUNDS, lost, "o-", color=colour, label=name)
        over_time.semilogy(seconds, lost, "o-", color=colour)
        detector, code = paths[name].T
        before = np.concatenate([[0], code[:-1]])  # each side by what the other told
        stairs = np.stack([before, detector, code, detector], -1).reshape(-1, 2)
        told_both.plot(*stairs.T, "o-", color=colour)
    for name, colour in zip(PASSES, COLOURS, strict=False):
        lost, seconds = found[name].mean(0)[0]
        over_time.semilogy(seconds, lost, "x", color=colour, label=name)
    over_rounds.set(xlabel="rounds", ylabel="share of lost blocks")
    over_time.set(xlabel="seconds a batch of 32 frames, one thread")
    told_both.set(xlabel="told by code and image [bit]", ylabel="by detector [bit]")
    over_rounds.legend()
    over_time.legend()


def main(batches: int = 4) -> None:
    tf.config.threading.set_intra_op_parallelism_threads(1)
    found, paths = measure(batches)
    for name, values in found.items():
        lost, seconds = values.mean(0).T
        print(name, "lost", np.round(lost, 3), "seconds", np.round(seconds, 2))
    for loop, once in zip(LOOPS, PASSES, strict=True):
        three = found[loop][:, ROUNDS.index(3), 1] / found[once][:, 0, 1]
        print(loop, "three rounds over one pass:", round(statistics.median(three), 2))
    for name, path in paths.items():
        print(name, "detector, code [bit]", np.round(path, 3).tolist())
    with mpl.rc_context(STYLE):
        figure = Figure((7.2, 2.6), layout="constrained")
        draw(figure.subplots(1, 3), found, paths)
        figure.savefig(PICTURE)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
