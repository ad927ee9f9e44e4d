"""Imperfect hardware: amplifiers, oscillators, converters, and their work on grids."""
