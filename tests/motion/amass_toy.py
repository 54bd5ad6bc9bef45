"""A toy SMPL+H with DMPLs, AMASS trees of it, and the downstream reader, written from its description."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks.standin_smplh import amass_arrays, h36m_regressor, make_model, write_models, write_sequence

VERTICES = 300
UPLIFT_ORDER = [6, 5, 4, 1, 2, 3, 0, 8, 7, 9, 10, 16, 15, 14, 11, 12, 13]
"""How the reader of uplift-upsample permutes the rows."""
MOCAP_RATE = 120.00004577636719


def models(folder: Path) -> Path:
    return write_models(folder, VERTICES, ("female", "neutral"))


def regressor(folder: Path) -> Path:
    np.save(folder / "h36m.npy", h36m_regressor(make_model(VERTICES, "female"), 4))
    return folder / "h36m.npy"


def tree(folder: Path) -> Path:
    """Two datasets: a subject of two sequences, and another of one; nearly 120 fps, and bytes for a gender."""
    write_sequence(folder / "CMU" / "01" / "01_01_poses.npz", **amass_arrays("a", 61, 120.0))
    odd = amass_arrays("b", 50, MOCAP_RATE) | {"gender": np.array(b"female")}
    write_sequence(folder / "CMU" / "01" / "01_02_poses.npz", **odd)
    write_sequence(folder / "KIT" / "3" / "walk_poses.npz", **amass_arrays("c", 40, 50.0))
    return folder


def downstream(path: Path) -> dict[str, dict[str, np.ndarray]]:
    """Load a file as AMASSDataset of uplift-upsample does: unpickled by NumPy, fps asserted, rows permuted."""
    with np.load(path, allow_pickle=True) as archive:
        data = archive["positions_3d"].item()
    out: dict[str, dict[str, np.ndarray]] = {}
    for subject, sequences in data.items():
        for name, entry in sequences.items():
            assert entry["frame_rate"] == 50.0
            out.setdefault(subject, {})[name] = entry["positions_3d"][:, UPLIFT_ORDER]
    return out


def results(out: Path) -> dict[str, bytes]:
    """Return the content of everything in a folder of results but its lock."""
    return {p.relative_to(out).as_posix(): p.read_bytes()
            for p in sorted(out.rglob("*")) if p.is_file() and p.name != ".lock"}  # fmt: skip
