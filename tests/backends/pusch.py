"""The lines of README for Sionna 2: `score` as estimator of its PUSCH receiver.

The estimator is a module that passes gradients.
"""

import os
import re
import sys
from pathlib import Path

import torch
from sionna import __version__
from sionna.phy import config

if __version__.startswith("1."):
    sys.exit("Sionna 1")

from sionna.phy.channel import OFDMChannel
from sionna.phy.channel.tr38901 import TDL
from sionna.phy.nr import PUSCHConfig, PUSCHReceiver, PUSCHTransmitter

README = (Path(__file__).parents[2] / "README.md").read_text()
LINES = re.findall(r"```python\n(.*?)```", README, re.S)
LINES = next(z for z in LINES if "KERAS_BACKEND" in z)

config.seed = 1
pusch = PUSCHConfig()
pusch.carrier.n_size_grid = 12
pusch.carrier.subcarrier_spacing = 30
pusch.num_antenna_ports = pusch.num_layers = 2
pusch.dmrs.dmrs_port_set = [0, 1]
pusch.dmrs.additional_position = 1
pusch.tb.mcs_index = 10
transmitter = PUSCHTransmitter(pusch)
model = TDL("A", 100e-9, 3.5e9, max_speed=3.0, num_rx_ant=4, num_tx_ant=2)
channel = OFDMChannel(
    model, transmitter.resource_grid, normalize_channel=True, return_channel=True
)
x, b = transmitter(8)
no = torch.tensor(0.1)
y, h = channel(x, no)

assert sum(map(bool, LINES.splitlines())) == 5
assert "keras" not in sys.modules
del os.environ["KERAS_BACKEND"]
made = {"transmitter": transmitter, "PUSCHReceiver": PUSCHReceiver}
exec(LINES, made)
estimator, ours, stock = made["score"], made["receiver"], PUSCHReceiver(transmitter)
assert isinstance(estimator, torch.nn.Module)
with torch.no_grad():
    assert ours(y, no).shape == b.shape
    errors = []
    for receiver in (ours, stock):
        h_hat, err_var = receiver._channel_estimator(y, no)
        errors.append((h_hat - h).abs().square().mean())
    assert errors[0] < errors[1] / 4, errors

y.requires_grad_(True)
estimator(y, no)[0].abs().square().sum().backward()
assert y.grad.isfinite().all() and y.grad.abs().sum() > 0
