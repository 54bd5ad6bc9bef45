"""Licences of photos that allow no derived pictures: their people are never erased."""

from __future__ import annotations

import re

_NO_DERIVATIVES = re.compile(r"no ?deriv|by-nc-nd|by-nd|\bnd\b", re.IGNORECASE)
"""COCO's licences 3 (Attribution-NonCommercial-NoDerivs) and 6 (Attribution-NoDerivs) by name or address."""


def forbids_derivatives(license: str) -> bool:
    """Return whether a photo's licence, as the source words it, forbids derivatives."""
    return bool(_NO_DERIVATIVES.search(license))
