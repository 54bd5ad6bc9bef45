"""Amputation: cut the mesh, cap and scar the residual limb, draw levels; pure functions of arrays."""
