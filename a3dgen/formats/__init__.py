"""Output formats. ``a3d`` is the dataset itself; the others are exports of a finished dataset."""
