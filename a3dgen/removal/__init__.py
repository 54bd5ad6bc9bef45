"""Removal of the photographed person: their pixels, shadow and held objects, and the plate without them."""
