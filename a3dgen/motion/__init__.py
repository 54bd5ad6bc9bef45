"""Recorded motion: exact resampling in time, joints without vertices, amputee copies. Pure functions of arrays."""
