"""Channels fed back in few bits: codecs to words of bits and back."""
