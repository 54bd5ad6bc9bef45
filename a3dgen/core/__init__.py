"""Vocabulary of the package: errors, records, randomness, compiled kernels, typed configurations."""
