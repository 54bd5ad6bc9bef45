"""Builds: schedule, shard tasks, freshness, Dask and Slurm workers, progress, run statistics."""
