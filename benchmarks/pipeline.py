"""Benchmark of whole builds: ``a3dgen bench pipeline [--json] [--people N] [--peak N ...]``.

Builds the demo's raw trees once, then times a build from them with one worker and with two (each after a warm-up
that fills every cache), and measures the largest process of builds of several sizes.
"""

from __future__ import annotations

import argparse
import json as json_text
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

STAGES = ("ingest", "fit", "amputate", "background", "render", "annotate", "report")


def a3dgen(*arguments: str) -> None:
    """Run one command of the package in a process of its own."""
    subprocess.run([sys.executable, "-m", "a3dgen", *arguments], check=True, stdout=subprocess.DEVNULL)


def make_sources(folder: Path, people: int) -> Path:
    """Write the demo's raw trees and a configuration that reads them; return its path."""
    a3dgen("demo", "--quiet", "--out", str(folder / "demo"), "--set", f"demo.people={people}")
    raw = folder / "demo" / "raw"
    sources = {name: {"root": str(raw / name)} for name in ("coco", "mpii", "h36m")}
    config = folder / "bench.yaml"
    config.write_text(json_text.dumps({"sources": sources, "shard_size": 4}))  # JSON is YAML
    return config


def timed_build(config: Path, out: Path, workers: int, *options: str) -> dict[str, Any]:
    """Build from nothing and return what run.json says."""
    a3dgen("build", "--quiet", "--config", str(config), "--out", str(out), "--workers", str(workers), *options)
    return json_text.loads((out / "run.json").read_text())


def rate(run: dict[str, Any]) -> float:
    """Return finished samples per second of the whole build, start of the workers included."""
    return run["stages"]["render"]["rows"]["Renders"] / run["seconds"]


def shares(run: dict[str, Any]) -> dict[str, float]:
    """Return each stage's share of the time spent in stages."""
    seconds = {name: run["stages"][name]["seconds"] for name in STAGES}
    total = sum(seconds.values())
    return {name: round(value / total, 3) for name, value in seconds.items()}


def peak_mb(people: int) -> float:
    """Return the resident size (MB) of the largest process of a build with one variant a person."""
    code = (
        "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True);"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    with tempfile.TemporaryDirectory() as folder:
        config = make_sources(Path(folder), people)
        build = [sys.executable, "-m", "a3dgen", "build", "--quiet", "--config", str(config), "--out", f"{folder}/b"]
        command = [
            sys.executable,
            "-c",
            code,
            *build,
            "--workers",
            "2",
            "--set",
            "amputate.per_person=1",
            "--set",
            "amputate.twins=none",
        ]
        return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout) / 1024


def run(people: int, peaks: list[int]) -> dict[str, Any]:
    """Measure everything; see the module's docstring."""
    with tempfile.TemporaryDirectory() as folder:
        config = make_sources(Path(folder), people)
        timed_build(config, Path(folder) / "warm", 2)
        one = timed_build(config, Path(folder) / "one", 1)
        two = timed_build(config, Path(folder) / "two", 2)
    return {
        "people": people,
        "samples_per_s": round(rate(two), 3),
        "stage_share": shares(two),
        "speedup_2_workers": round(one["seconds"] / two["seconds"], 2),
        "peak_mb": {str(n): round(peak_mb(n)) for n in peaks},
    }


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one line of JSON")
    parser.add_argument("--people", type=int, default=48, help="people of the timed build (48)")
    parser.add_argument("--peak", type=int, nargs="*", default=[], help="also measure memory at these sizes")
    args = parser.parse_args()
    figures = run(args.people, args.peak)
    print(json_text.dumps(figures) if args.json else json_text.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
