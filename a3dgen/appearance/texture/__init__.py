"""Textures: skin, fabrics, shoes, painted into the body's atlas."""
