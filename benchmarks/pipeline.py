"""Benchmark of the pipeline: ``a3dgen bench pipeline [--json] [--profile] [--kinds ...] [--workers] [--full]``.

Small by default: what a finished sample costs in CPU time through all stages (``sample_cpu_ms``), start-up apart
(``start_cpu_s``), beside a plain textured body drawn by pyrender in the same minute (``pyrender_frame_ms``,
``ratio``); for overlays, erasures and devices on COCO frames (``--samples``, else the demo's), eight variants a person.

With ``--workers`` also, each on builds that start from nothing after one that fills the caches:

- the demo with one worker and with two: finished samples per second of the whole command (start of the workers and
  writing of dataset and report included), the share of each stage, and how much two workers are faster;
- the same for the COCO frames, where there are any.

With ``--full`` the demo has 48 people, and the largest process of builds of 200 and of 5,000 people seen in frames of
256 px, one variant each, is measured: it must not grow.

Raw data are made beforehand, outside of what is timed: the demo's frames are drawn once, and the many people of the
memory test are copies of them under other names, each with random numbers of its own.
"""

from __future__ import annotations

import argparse
import functools
import json as json_text
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import psutil

from benchmarks.pipeline_samples import KINDS, beside_pyrender, measure_apart, user_environment

STAGES = ("ingest", "fit", "amputate", "background", "render", "annotate", "report")
SAMPLES = Path(__file__).resolve().parents[2] / "shared" / "samples" / "coco"
VARIANTS = 8
SMALL_PX = 256
PEAKS = (200, 5000)
SMALL_PEOPLE, FULL_PEOPLE = 8, 48
SMALL_KINDS = ("overlay", "erase", "devices")
POLL_SECONDS = 0.25


class Peaks(threading.Thread):
    """Watches a process and those below it; keeps the largest resident size (MB) of the first and of the others."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._pid = pid
        self._done = threading.Event()
        self.coordinator = 0.0
        self.worker = 0.0

    def run(self) -> None:
        """Look until told to stop. The system keeps each process's own maximum, so that nothing is missed between."""
        while not self._done.wait(POLL_SECONDS):
            self.coordinator = max(self.coordinator, _high_water(self._pid))
            for process in _below(self._pid):
                self.worker = max(self.worker, _high_water(process.pid))

    def stop(self) -> None:
        """Stop looking."""
        self._done.set()
        self.join()


def _high_water(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:")), 0.0)


def _below(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.Error:
        return []


def a3dgen(*arguments: str) -> Peaks:
    """Run one command of the package in a process of its own; return how large its processes grew."""
    command = [sys.executable, "-m", "a3dgen", *arguments]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, env=user_environment()) as process:
        peaks = Peaks(process.pid)
        peaks.start()
        code = process.wait()
        peaks.stop()
    if code not in (0, 1):
        raise SystemExit(f"{' '.join(command)} ended with {code}")
    return peaks


def demo_sources(cache: Path, people: int) -> dict[str, Any]:
    """Draw the demo's raw trees, unless the cache has them; return the sources that read them."""
    folder = cache / f"demo_{people}"
    a3dgen("demo", "--quiet", "--out", str(folder), "--set", f"demo.people={people}")
    return {name: {"root": str(folder / "raw" / name)} for name in ("coco", "mpii", "h36m")}


def small_sources(cache: Path, people: int, frames: int) -> dict[str, Any]:
    """Write a COCO tree of ``people`` people in frames of 256 px, copied from the demo's COCO frames."""
    import cv2

    demo_sources(cache, frames)
    source, target = cache / f"demo_{frames}" / "raw" / "coco", cache / f"small_{people}"
    tree = json_text.loads((source / "annotations/person_keypoints_val2017.json").read_text())
    scales = {}
    folder = target / "val2017"
    shutil.rmtree(target, ignore_errors=True)
    folder.mkdir(parents=True)
    for image in tree["images"]:
        pixels = cv2.imread(str(source / "val2017" / image["file_name"]))
        scale = SMALL_PX / max(pixels.shape[:2])
        size = tuple(round(v * scale) for v in pixels.shape[1::-1])
        scales[image["id"]] = scale
        small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
        cv2.imwrite(str(folder / f"frame_{image['id']}.jpg"), small, [cv2.IMWRITE_JPEG_QUALITY, 95])
        image["width"], image["height"] = size
    images, annotations, copy = [], [], 0
    while len(annotations) < people:
        for image in tree["images"]:
            number = copy * 1_000_000 + image["id"] % 1_000_000
            name = f"{number:012d}.jpg"
            os.link(folder / f"frame_{image['id']}.jpg", folder / name)
            images.append({**image, "id": number, "file_name": name})
            for person in [a for a in tree["annotations"] if a["image_id"] == image["id"]]:
                annotations.append(_scaled(person, scales[image["id"]], number, len(annotations) + 1))
        copy += 1
    tree["images"], tree["annotations"] = images, annotations[:people]
    (target / "annotations").mkdir()
    (target / "annotations/person_keypoints_val2017.json").write_text(json_text.dumps(tree))
    return {"coco": {"root": str(target)}}


def _scaled(person: dict[str, Any], scale: float, image: int, number: int) -> dict[str, Any]:
    points = [v if i % 3 == 2 else v * scale for i, v in enumerate(person["keypoints"])]
    polygons = person.get("segmentation")
    if isinstance(polygons, list):
        polygons = [[v * scale for v in polygon] for polygon in polygons]
    return {
        **person,
        "id": number,
        "image_id": image,
        "keypoints": points,
        "bbox": [v * scale for v in person["bbox"]],
        "area": person["area"] * scale**2,
        "segmentation": polygons,
    }


def write_config(path: Path, sources: dict[str, Any], shard_size: int, **stages: dict[str, Any]) -> Path:
    """Write a configuration; JSON is YAML."""
    path.write_text(json_text.dumps({"sources": sources, "shard_size": shard_size, **stages}))
    return path


def timed_build(config: Path, out: Path, workers: int) -> dict[str, Any]:
    """Build from nothing; return what run.json says, with the ``wall`` seconds of the command and its ``peaks``."""
    shutil.rmtree(out, ignore_errors=True)
    start = time.perf_counter()
    peaks = a3dgen("build", "--quiet", "--config", str(config), "--out", str(out), "--workers", str(workers))
    wall = time.perf_counter() - start
    facts = json_text.loads((out / "run.json").read_text())
    shutil.rmtree(out)
    return {**facts, "wall": wall, "peaks": peaks}


def made(run: dict[str, Any]) -> int:
    """Return the number of finished samples."""
    return int(run["stages"]["render"]["rows"]["Renders"])


def shares(run: dict[str, Any]) -> dict[str, float]:
    """Return each stage's share of the time spent in stages."""
    seconds = {name: run["stages"][name]["seconds"] for name in STAGES}
    return {name: round(value / sum(seconds.values()), 3) for name, value in seconds.items()}


def per_sample(run: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Return milliseconds and kilobytes of each stage, by finished sample."""
    return {
        name: {
            "ms": round(1000 * run["stages"][name]["seconds"] / made(run), 2),
            "kB": round(run["stages"][name]["bytes"] / 1000 / made(run), 2),
        }
        for name in STAGES
    }


def speed(config: Path, work: Path) -> dict[str, Any]:
    """Time one and two workers after a build that fills every cache."""
    timed_build(config, work / "warm", 2)
    one, two = timed_build(config, work / "one", 1), timed_build(config, work / "two", 2)
    return {
        "people": two["people"]["read"],
        "samples": made(two),
        "samples_per_s": round(made(two) / two["wall"], 3),
        "stage_share": shares(two),
        "speedup_2_workers": round(one["wall"] / two["wall"], 2),
        "seconds": {"1": round(one["wall"], 1), "2": round(two["wall"], 1)},
        "per_sample": per_sample(one),
    }


def memory(cache: Path, work: Path, sizes: list[int], frames: int) -> dict[str, Any]:
    """Measure the largest process at several numbers of people."""
    names = ("peak_mb", "peak_mb_coordinator", "peak_mb_workers", "seconds", "samples")
    found: dict[str, dict[str, Any]] = {name: {} for name in names}
    for people in sizes:
        sources = small_sources(cache, people, frames)
        # whoever can be is drawn
        options = {"amputate": {"per_person": 1, "twins": "none"}, "render": {"max_doubt": 1.0}}
        run = timed_build(write_config(work / "memory.yaml", sources, 64, **options), work / "memory", 2)
        peaks = run["peaks"]
        found["peak_mb"][str(people)] = round(max(peaks.coordinator, peaks.worker))
        found["peak_mb_coordinator"][str(people)] = round(peaks.coordinator)
        found["peak_mb_workers"][str(people)] = round(peaks.worker)
        found["seconds"][str(people)] = round(run["wall"], 1)
        found["samples"][str(people)] = made(run)
        shutil.rmtree(cache / f"small_{people}")
    return found


def samples(args: argparse.Namespace, cache: Path, work: Path) -> dict[str, Any]:
    """Measure the steady state of every kind of sample beside pyrender (``pipeline_samples``)."""
    if args.samples.is_dir():
        photos = {"coco": {"root": str(args.samples)}}
    else:
        photos = {"coco": demo_sources(cache, args.people)["coco"]}
    found = {}
    for kind in args.kinds:
        options = dict(KINDS[kind])
        if kind == "demo":
            config = write_config(work / "kind.yaml", demo_sources(cache, args.people), 4, **options)
        else:
            variants = {"per_person": args.variants}
            config = write_config(work / "kind.yaml", photos, 1, amputate=variants, **options)
        measure = functools.partial(measure_apart, config, work / "kind", args.profile)
        found[kind] = beside_pyrender(measure, not args.no_pyrender)
    return found


def whole(args: argparse.Namespace, cache: Path, work: Path) -> dict[str, Any]:
    """Time whole commands with one worker and with two, and measure the largest process."""
    demo = speed(write_config(work / "demo.yaml", demo_sources(cache, args.people), 4), work)
    keys = ("samples_per_s", "stage_share", "speedup_2_workers")
    figures: dict[str, Any] = {**{key: demo[key] for key in keys}, "peak_mb": {}, "demo": demo, "coco": None}
    if args.samples.is_dir():
        sources = {"coco": {"root": str(args.samples)}}
        config = write_config(work / "coco.yaml", sources, 1, amputate={"per_person": args.variants})
        figures["coco"] = speed(config, work)
    found = memory(cache, work, args.peak, args.people) if args.peak else {"peak_mb": {}}
    return {**figures, "peak_mb": found.pop("peak_mb"), "memory": found}


def parsed() -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(prog="a3dgen bench pipeline", description=(__doc__ or "").split("\n\n")[1])
    parser.add_argument("--json", action="store_true", help="print one line of JSON")
    parser.add_argument("--kinds", nargs="*", default=list(SMALL_KINDS), choices=tuple(KINDS), metavar="KIND",
                        help=f"of {', '.join(KINDS)} ({' '.join(SMALL_KINDS)})")  # fmt: skip
    parser.add_argument("--variants", type=int, default=VARIANTS, help=f"of each person of a photo ({VARIANTS})")
    parser.add_argument("--profile", action="store_true", help="name the ten costliest functions of each stage")
    parser.add_argument("--no-pyrender", action="store_true", help="do not measure pyrender beside it")
    parser.add_argument("--workers", action="store_true", help="also time whole builds with one worker and two")
    parser.add_argument("--quick", action="store_true", help="also whole builds and the memory of 200 people")
    parser.add_argument("--full", action="store_true",
                        help="every kind, workers, 48 people in the demo, and the memory of 200 and 5,000")  # fmt: skip
    parser.add_argument("--people", type=int, help="people of the demo (8; with --full 48)")
    parser.add_argument("--peak", type=int, nargs="*", help="people of the memory test (none; with --full 200 5000)")
    parser.add_argument("--samples", type=Path, default=SAMPLES, help="COCO folder with real frames")
    parser.add_argument("--cache", type=Path, help="folder that keeps the demo's frames for the next time")
    args = parser.parse_args()
    args.people = args.people or (FULL_PEOPLE if args.full else SMALL_PEOPLE)
    usual = list(PEAKS) if args.full else [PEAKS[0]] if args.quick else []
    args.peak = usual if args.peak is None else args.peak
    args.kinds = list(KINDS) if args.full else args.kinds
    args.workers = args.workers or args.full or bool(args.peak)
    return args


def table(found: dict[str, Any]) -> str:
    """Return the figures of the kinds of samples as text."""
    lines = ["kind      samples  ms a sample  pyrender  ratio  start s  stages, ms a sample"]
    for kind, row in found.items():
        stages = ", ".join(f"{name} {ms:g}" for name, ms in row["stage_ms"].items())
        frame, ratio = row["pyrender_frame_ms"] or float("nan"), row["ratio"] or float("nan")
        lines.append(
            f"{kind:<9} {row['samples']:>7}  {row['sample_cpu_ms']:>11}  {frame:>8.1f}  {ratio:>5.2f}  "
            f"{row['start_cpu_s']:>7}  {stages}"
        )
        for stage, functions in row.get("costliest", {}).items():
            lines.append(f"  {stage}")
            lines += [f"    {f['share']:6.1%} {f['calls']:>8} {f['function']}" for f in functions]
    return "\n".join(lines)


def main() -> None:
    """Print the figures."""
    args = parsed()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        cache = args.cache or work / "cache"
        cache.mkdir(parents=True, exist_ok=True)
        found = samples(args, cache.absolute(), work)
        figures = whole(args, cache.absolute(), work) if args.workers else {}
    if args.json:
        print(json_text.dumps({"samples": found, **figures}))
        return
    print(table(found))
    if figures:
        print(json_text.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
