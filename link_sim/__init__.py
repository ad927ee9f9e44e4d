"""The link: scenario, transmitter, channel, receivers, counts, results, plots, CLI."""
