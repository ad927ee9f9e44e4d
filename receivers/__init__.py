"""Keras layers with Sionna's call signatures: classical and generative receivers."""
