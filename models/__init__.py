"""Generative models in pure Keras 3: denoisers, samplers and their training."""
