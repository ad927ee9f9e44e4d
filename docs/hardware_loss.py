"""What hardware costs receivers: the tables of loss in `docs/hardware.md`.

python docs/hardware_loss.py RECEIVERS RATES [KEY=VALUE ...]

Loss: Es/N0 at which LLRs carry RATES of their bits, less that of perfect hardware [dB].
The scenario is `image-awgn` with random bits and the settings; `hardware.back_off_db`
may be a list. The bound takes away the distortion that was really sent.

    python docs/hardware_loss.py linear,bussgang,cancelling .5,.75,.8333 \
        hardware.amplifier=saleh 'hardware.back_off_db=[0,3,6]'
"""

import ast
import sys

import numpy as np
import tensorflow as tf

from link_sim import load_scenario
from link_sim.experiments.link import Link
from link_sim.experiments.targets import Stages
from link_sim.world.hardware.summary import describe

ESNO_DB = np.arange(6.0, 31.0, 1.0)
SETTINGS = (
    "payload.source=random", "grid.fft_size=256", "batch_size=8",
    f"sweep={{axis='esno_db', points={ESNO_DB.tolist()}}}",
)  # fmt: skip
BACK_OFF = "hardware.back_off_db="


def information(scenario, names) -> dict[str, np.ndarray]:
    """Of a bit, by receiver over Es/N0: 1 - E[log2(1 + exp(-llr))], bits as if 1."""
    link = Link(scenario, [f"perfect-csi+{name}" for name in names])
    stages = [tf.function(Stages(each), autograph=False) for each in link.receivers]
    found = {name: [] for name in names}
    for esno_db in ESNO_DB:
        world = link.draw(scenario.at(esno_db), 0)
        for name, stage in zip(names, stages, strict=True):
            llr = stage(world.y, world.no, world.h, number=2)["llr"]
            signed = tf.reshape(llr, tf.shape(world.c)) * (2 * world.c - 1)
            lost = tf.reduce_mean(tf.math.softplus(-signed)) / np.log(2)
            found[name].append(1 - float(lost))
    return {name: np.array(each) for name, each in found.items()}


def reached(carried: np.ndarray, rate: float) -> float:
    """Es/N0 [dB] from which on so much is carried; infinite if never."""
    least = np.flatnonzero(carried < rate)
    if len(least) == 0 or least[-1] == len(carried) - 1:
        return -np.inf if len(least) == 0 else np.inf
    at = slice(least[-1], least[-1] + 2)
    return float(np.interp(rate, carried[at], ESNO_DB[at]))


def losses(names, rates, settings) -> tuple[dict, dict]:
    """Losses by receiver, and what `describe` says, of one hardware."""
    scenario = load_scenario("image-awgn", [*SETTINGS, *settings])
    own = [each for each in settings if not each.startswith("hardware")]
    perfect = load_scenario("image-awgn", [*SETTINGS, *own])
    linear = information(perfect, ["linear"])["linear"]
    needs = [reached(linear, rate) for rate in rates]
    found = {
        name: [reached(each, r) - need for r, need in zip(rates, needs, strict=True)]
        for name, each in information(scenario, names).items()
    }
    facts = describe(scenario)
    bound = 10 * np.log10(1 + 10 ** (facts.get("EVM sent", -np.inf) / 10))
    return found | {"bound": [bound] * len(rates)}, facts


def show(names, rates, settings) -> None:
    offs = next((s for s in settings if s.startswith(BACK_OFF)), f"{BACK_OFF}0")
    rest = [each for each in settings if each != offs]
    least = {}
    for off in np.atleast_1d(ast.literal_eval(offs.removeprefix(BACK_OFF))):
        amplified = any("hardware.amplifier" in each for each in rest)
        own = [f"{BACK_OFF}{off}"] if amplified else []
        found, facts = losses(names, rates, [*rest, *own])
        back_off = facts.get("output back-off", 0.0)
        said = ", ".join(f"{name} {value:.1f}" for name, value in facts.items())
        print(f"back-off {off:g} dB: {said}", flush=True)
        for name, lost in found.items():
            print("  ", name, " / ".join(f"{x:.2f}" for x in lost), flush=True)
            total = np.array(lost) + back_off
            least[name] = np.minimum(least.get(name, np.inf), total)
    print("least output back-off + loss:")
    for name, total in least.items():
        print("  ", name, " / ".join(f"{x:.1f}" for x in total))


if __name__ == "__main__":
    wanted, at, *own = sys.argv[1:]
    show(wanted.split(","), [float(rate) for rate in at.split(",")], own)
