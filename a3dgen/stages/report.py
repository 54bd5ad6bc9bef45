"""Write report.html: what was read, what became of it, how good the fits are, and pictures to look at."""

from __future__ import annotations

import logging
from array import array
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from importlib import resources
from typing import Any

import numpy as np

from a3dgen.bodies import load_body
from a3dgen.core.records import OK, STATE_NAMES, UNLABELLED, Outcome
from a3dgen.core.rng import generator_for
from a3dgen.core.stage import Context, Inputs
from a3dgen.devices.device import devices_from_json, in_words
from a3dgen.erasure.config import ERASE, OVERLAY, Erasing
from a3dgen.geometry.camera import undistort_points
from a3dgen.geometry.regions import INTACT, REGION_NAMES, REGIONS, label
from a3dgen.geometry.skeleton import NUM_JOINTS
from a3dgen.io.images import replace_file
from a3dgen.report.errors import fit_errors
from a3dgen.report.gallery import Entry, not_made, panels_of
from a3dgen.report.histogram import histogram_uri
from a3dgen.report.panels import Window, draw_body
from a3dgen.report.photos import PhotoFacts, photo_cards
from a3dgen.report.turntable import PLACE, page, turnable
from a3dgen.stages.table import SHARD_STAGES

VERSION = 6
FILE = "report.html"
MAX_REASONS = 12
MODELS_BYTES = 4_500_000
"""All bodies to turn together; with the pictures of as many people a report stays under 10 MB."""
MAX_LEFT_OUT = 500
"""People named one by one of those who were rejected or failed."""

log = logging.getLogger("a3dgen")


@dataclass(frozen=True)
class Config:
    """What the report shows.

    Attributes:
        people: how many people the contact sheet shows, each with its samples; chosen by the seed.
        samples: how many samples of one person are shown at most.
        photos: how many photos of photo folders are shown with everybody found on them.
    """

    people: int = 24
    samples: int = 4
    photos: int = 100


@dataclass
class Facts:
    """What is gathered while streaming over the shards; of a million people it holds a few numbers each."""

    outcomes: dict[str, Counter[str]] = field(default_factory=dict)
    reasons: dict[str, Counter[str]] = field(default_factory=dict)
    regions: Counter[str] = field(default_factory=Counter)
    states: Counter[str] = field(default_factory=Counter)
    devices: Counter[str] = field(default_factory=Counter)
    modes: Counter[str] = field(default_factory=Counter)
    drawn_instead: int = 0
    """Drawn samples of sources that were to be erased (``render.mode: erase``)."""
    subsets: Counter[str] = field(default_factory=Counter)
    errors: dict[str, array[float]] = field(default_factory=dict)
    entries: list[tuple[float, Entry]] = field(default_factory=list)
    rejected: list[tuple[str, str, str]] = field(default_factory=list)
    remarks: list[tuple[str, str, str]] = field(default_factory=list)
    """Stage, key and text of what was said of people and samples that were made."""
    left_out: int = 0
    photos: PhotoFacts = field(default_factory=PhotoFacts)

    def add_outcome(self, stage: str, outcome: Outcome) -> None:
        """Count statuses and reasons; digits are dropped from reasons so that alike ones group. Remarks are kept."""
        self.outcomes.setdefault(stage, Counter()).update(outcome.status)
        for key, status, reason in zip(outcome.key, outcome.status, outcome.reason, strict=True):
            if status != OK:
                group = "".join("#" if ch.isdigit() else ch for ch in str(reason))
                while "##" in group:
                    group = group.replace("##", "#")
                self.reasons.setdefault(stage, Counter())[f"{status}: {group}"] += 1
                self.left_out += 1
                if len(self.rejected) < MAX_LEFT_OUT:
                    self.rejected.append((stage, str(key), f"{status}: {reason}"))
            elif reason and len(self.remarks) < MAX_LEFT_OUT:
                self.remarks.append((stage, str(key), str(reason)))


def run(config: Config, context: Context, shards: Iterable[Inputs]) -> dict[str, Any]:
    """Write ``report.html`` into the build folder and return the figures it shows."""
    facts = Facts()
    for shard in shards:
        _gather(config, context, shard, facts)
    body = load_body(context.body)
    cards = []
    room = MODELS_BYTES
    for _, entry in sorted(facts.entries, key=lambda item: item[0]):
        card = panels_of(entry, body, context.out)
        model = turnable(body, entry.body, _shown_plan(entry)) if room > 0 else ""
        room -= len(model)
        cards.append(replace(card, model=model if room >= 0 else ""))
    summary = _summary(facts)
    photos, count = photo_cards(context, facts.photos, body, config.photos)
    html = _template().render(
        facts=facts, summary=summary, cards=cards, stages=("ingest", *SHARD_STAGES), states=STATE_NAMES,
        regions=[(r.name, r.clinical(0.5), facts.regions[r.name]) for r in REGIONS],
        intact=facts.regions[_INTACT], histograms=_histograms(facts), max_reasons=MAX_REASONS,
        settings=context.settings, seed=context.seed, body=body.name, photos=photos, photo_count=count,
        viewer=page() if any(card.model for card in cards) else "", place=PLACE,
    )  # fmt: skip
    replace_file(context.out / FILE, html.encode("utf-8", "replace"))
    if facts.modes[ERASE] or facts.drawn_instead:
        summary |= {"modes": dict(sorted(facts.modes.items())), "drawn_instead": facts.drawn_instead}
    if facts.photos.plates:
        summary["left_over"] = dict(sorted(facts.photos.left.items()))
        summary["plates_checked"] = facts.photos.plates
    return {"report": FILE, **summary}


def warm(context: Context) -> None:
    """Import and load what the report takes, half a second, while others are at work: draws a small body."""
    body = load_body(context.body)
    K = np.array([[60.0, 0, 32], [0, 60, 32], [0, 0, 1]])
    fitted = {"pose": np.zeros((NUM_JOINTS, 3)), "betas": np.zeros(body.num_betas), "transl": np.array([0, 0, 3.0]),
              "K": K}  # fmt: skip
    draw_body(np.zeros((64, 64, 3), np.uint8), body, fitted, Window((0, 0, 64, 64), 1.0))
    turnable(body, fitted, None)
    page()
    _template()


def _shown_plan(entry: Entry) -> dict[str, Any] | None:
    """Return the sample whose body is turned: the first one with a limb less, else the first."""
    plans = [plan for plan, _ in entry.samples]
    return next((plan for plan in plans if plan["removed"].any()), plans[0] if plans else None)


_INTACT = "intact"


def _gather(config: Config, context: Context, shard: Inputs, facts: Facts) -> None:
    for stage, outcome in shard.outcomes.items():
        facts.add_outcome(stage, outcome)
    facts.photos.add(context, shard)
    if shard.renders is not None and len(shard.renders):
        rows, asked = shard.plans.index(), _asked(context)
        for i, key in enumerate(shard.renders.key):
            k = label(shard.plans.removed[rows[key]])
            facts.regions[_INTACT if k == INTACT else REGION_NAMES[k]] += 1
            mode = str(shard.renders.mode[i])
            facts.modes[mode] += 1
            facts.drawn_instead += mode != ERASE and asked.mode_of(str(key)) == ERASE
            facts.states.update(STATE_NAMES[s] for s in shard.renders.state[i])
            facts.devices.update(in_words(d) for d in devices_from_json(shard.plans.devices[rows[key]]))
    facts.subsets.update(shard.persons.subset)
    if shard.bodies is None or not len(shard.bodies):
        return
    for name, values in fit_errors(context, shard).items():
        facts.errors.setdefault(name, array("d")).extend(values)
    for i, key in enumerate(shard.bodies.key):
        rank = float(generator_for(context.seed, "report", str(key)).random())
        if len(facts.entries) < config.people or rank < facts.entries[-1][0]:
            facts.entries.append((rank, _entry(config, shard, str(key), i)))
            facts.entries.sort(key=lambda item: item[0])
            del facts.entries[config.people :]


def _asked(context: Context) -> Erasing:
    """Return which mode the configuration asks for, by source."""
    render = context.settings.get("render", {})
    return Erasing(render.get("mode", OVERLAY), render.get("modes", {}))


def _entry(config: Config, shard: Inputs, key: str, body_row: int) -> Entry:
    person = shard.persons.row(shard.persons.index()[key])
    labelled = person["state"] != UNLABELLED
    pixels = person["keypoints"][:, :2].copy()
    pixels[labelled] = undistort_points(pixels[labelled], person["K"], person["dist"])
    plate = None
    if shard.plates is not None and key in (at := shard.plates.index()):
        plate = shard.plates.row(at[key])
    samples = []
    if shard.renders is not None and len(shard.renders):
        plans, at = shard.plans, shard.renders.index()
        mine = [k for k, parent in zip(plans.key, plans.parent, strict=True) if parent == key and k in at]
        plan_at = plans.index()
        samples = [(plans.row(plan_at[k]), shard.renders.row(at[k])) for k in mine[: config.samples]]
    return Entry(key, person, pixels, shard.bodies.row(body_row), plate, samples, not_made(shard.outcomes, key))


def _summary(facts: Facts) -> dict[str, Any]:
    """Medians and means of every error, and totals, as plain numbers."""
    out: dict[str, Any] = {
        "people_read": sum(facts.outcomes.get("ingest", {}).values()),
        "samples": sum(facts.regions.values()),
    }
    for name, values in sorted(facts.errors.items()):
        finite = np.array([v for v in values if np.isfinite(v)])
        if len(finite):
            out[name] = {
                "n": len(finite),
                "mean": round(float(finite.mean()), 3),
                "median": round(float(np.median(finite)), 3),
                "max": round(float(finite.max()), 3),
            }
    return out


def _histograms(facts: Facts) -> list[tuple[str, str]]:
    """Return (name, data URI) of one histogram for each error."""
    finite = {name: [v for v in values if np.isfinite(v)] for name, values in sorted(facts.errors.items())}
    return [(name, histogram_uri(name.replace("_", " "), values)) for name, values in finite.items() if values]


def _template() -> Any:
    import jinja2

    loader = jinja2.FileSystemLoader(str(resources.files("a3dgen.report") / "templates"))
    return jinja2.Environment(loader=loader, autoescape=True).get_template("report.html")
