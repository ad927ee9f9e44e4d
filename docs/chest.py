"""Channel estimators in the set-up of Sionna Bench MIMO-OFDM-CHEST, in Sionna 2.

    KERAS_BACKEND=torch python docs/chest.py SLOTS [SNR_DB ...]

Prints a table of NMSE, block error rate and stated over actual error variance, all
estimators on the same slots; intervals at 95 % are over slots, of which each is a drop.
What the benchmark's pages state is rebuilt (users, antennas, grid, pilots, UMi, LMMSE
detection, metrics); what they do not (carrier, spacing, speed, array, modulation, code,
SNR, seeds) is our choice.
"""

import math
import sys
import time
from collections import defaultdict

import numpy as np
import torch
from chest_estimators import estimators
from sionna.phy import config
from sionna.phy.channel import (
    cir_to_ofdm_channel,
    gen_single_sector_topology,
    subcarrier_frequencies,
)
from sionna.phy.channel.tr38901 import Antenna, AntennaArray, UMi
from sionna.phy.fec.ldpc import LDPC5GDecoder, LDPC5GEncoder
from sionna.phy.mapping import BinarySource, Mapper
from sionna.phy.mimo import StreamManagement
from sionna.phy.ofdm import LinearDetector, ResourceGrid, ResourceGridMapper

from link_sim.metrics import intervals

USERS, ANTENNAS, SYMBOLS, SUBCARRIERS = 4, 16, 14, 624
CARRIER, SPACING, SPEED = 3.5e9, 30e3, 3.0
BITS, RATE, BLOCKS = 4, 0.5, 4
"""Of a symbol of 16-QAM; of the code; blocks of each user in a slot."""
SNRS_DB = -5.0, 0.0, 10.0, 20.0
"""Energy of a user's symbol at an antenna over the noise variance."""
DECODED_DB = (0.0,)
"""Where blocks are decoded, which takes most of the time."""
DROPS = 128
"""Slots of which LMMSE and the mixture learn."""
BATCH = 4


class System:
    """The uplink: what is drawn, sent, received, detected and decoded."""

    def __init__(self):
        self.grid = ResourceGrid(
            SYMBOLS,
            SUBCARRIERS,
            SPACING,
            num_tx=USERS,
            cyclic_prefix_length=SUBCARRIERS // 14,
            pilot_pattern="kronecker",
            pilot_ofdm_symbol_indices=[2, 11],
        )
        phone = Antenna("single", "V", "omni", CARRIER)
        base = AntennaArray(4, 2, "dual", "cross", "38.901", CARRIER)
        self.umi = UMi(
            CARRIER, "low", phone, base, "uplink",
            enable_pathloss=False, enable_shadow_fading=False,
        )  # fmt: skip
        self.frequencies = subcarrier_frequencies(SUBCARRIERS, SPACING)
        length = self.grid.num_data_symbols * BITS // BLOCKS
        self.source, self.mapper = BinarySource(), Mapper("qam", BITS)
        self.encoder = LDPC5GEncoder(int(RATE * length), length)
        self.decoder = LDPC5GDecoder(self.encoder, return_infobits=True)
        self.to_grid = ResourceGridMapper(self.grid)
        streams = StreamManagement(np.ones([1, USERS]), 1)
        self.detector = LinearDetector(
            "lmmse", "bit", "app", self.grid, streams, "qam", BITS
        )

    def channels(self, seed: int):
        """[slots, 1, antennas, users, 1, symbols, subcarriers], of energy 1 a link."""
        config.seed = seed
        dropped = gen_single_sector_topology(
            BATCH, USERS, "umi", min_ut_velocity=SPEED, max_ut_velocity=SPEED
        )
        self.umi.set_topology(*dropped)
        a, tau = self.umi(SYMBOLS, 1 / self.grid.ofdm_symbol_duration)
        return cir_to_ofdm_channel(self.frequencies, a, tau, normalize=True)

    def ensemble(self, slots: int):
        """Channels amid slots of other drops, [users, antennas, subcarriers]."""
        seeds = range(10**6, 10**6 + slots // BATCH)
        drawn = [self.channels(seed)[:, 0, :, :, 0, SYMBOLS // 2] for seed in seeds]
        return torch.cat(drawn).transpose(1, 2).flatten(0, 1)

    def slots(self, seed: int):
        """Bits, the channel, what is received without noise, and noise of power 1."""
        h = self.channels(seed)
        b = self.source([BATCH, USERS, 1, BLOCKS, self.encoder.k])
        sent = self.to_grid(self.mapper(self.encoder(b).flatten(-2)))
        y = torch.einsum("braustk,bustk->bratk", h, sent)
        noise = torch.randn(y.shape, dtype=y.dtype, generator=config.torch_rng())
        return b, h, y, noise

    def lost(self, b, y, h_hat, err_var, no):
        """Blocks that are lost, of each slot."""
        llr = self.detector(y, h_hat, err_var, no)
        b_hat = self.decoder(llr.unflatten(-1, (BLOCKS, -1)))
        return (b_hat != b).any(-1).flatten(1).sum(1)


def counted(system, estimator, slots, snr_db: float) -> dict:
    """Of each slot: squared error, energy, stated variance, blocks lost; seconds."""
    b, h, y, noise = slots
    no = torch.tensor(10 ** (-snr_db / 10))
    y = y + torch.sqrt(no) * noise
    start = time.process_time()
    h_hat, err_var = estimator(y, no)
    seconds = time.process_time() - start
    err_var = err_var.expand(h.shape)
    sums = {"error": (h_hat - h).abs() ** 2, "energy": h.abs() ** 2, "stated": err_var}
    found = {name: z.flatten(1).double().sum(1).numpy() for name, z in sums.items()}
    found["seconds"] = np.full(len(h), seconds / len(h))
    if snr_db in DECODED_DB:
        found["lost"] = system.lost(b, y, h_hat, err_var, no).numpy()
    return found


def over(total, base) -> intervals.Estimate:
    sums = total.sum(), (total**2).sum(), base.sum(), (base**2).sum()
    return intervals.ratio(*sums, (total * base).sum(), len(total))


def row(name: str, snr_db: float, parts: list[dict]) -> str:
    """Of the table: what is counted at one SNR."""
    seen = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
    nmse = [
        10 * math.log10(z) if z > 0 else -math.inf
        for z in over(seen["error"], seen["energy"])
    ]
    told = over(seen["stated"], seen["error"])
    cells = (
        f"{snr_db:g}",
        name,
        f"{nmse[0]:.2f} [{nmse[1]:.2f}, {nmse[2]:.2f}]",
        bler(seen["lost"]) if "lost" in seen else "",
        f"{told.value:.2f} [{max(told.low, 0):.2f}, {told.high:.2f}]",
        f"{seen['seconds'].mean():.2f}",
    )
    return f"| {' | '.join(cells)} |"


def bler(lost) -> str:
    """Of the blocks lost in each slot."""
    blocks = len(lost) * USERS * BLOCKS
    sums = lost.sum(), (lost**2).sum(), blocks, len(lost)
    found = intervals.clustered_proportion(*sums)
    return f"{found.value:.3f} [{found.low:.3f}, {found.high:.3f}]"


def table(parts: dict) -> str:
    """Markdown, in order of SNR; parts : of SNR and name, what was `counted`."""
    head = "SNR [dB]", "estimator", "NMSE [dB]", "BLER", "stated over error", "CPU [s]"
    lines = [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
    return "\n".join(lines + [row(name, at, z) for (at, name), z in parts.items()])


def main(slots: int, snrs_db) -> None:
    system, parts = System(), defaultdict(list)
    compared = estimators(system, DROPS)
    for batch in range(slots // BATCH):
        drawn = system.slots(batch)
        for snr_db in snrs_db:
            for name, estimator in compared.items():
                found = counted(system, estimator, drawn, snr_db)
                parts[snr_db, name].append(found)
        print(f"\n{(batch + 1) * BATCH} slots\n\n{table(parts)}", flush=True)


if __name__ == "__main__":
    with torch.no_grad():
        main(int(sys.argv[1]), [float(z) for z in sys.argv[2:]] or SNRS_DB)
