"""The engine over stages of arithmetic: exactly once, whatever dies, whatever changes."""

from __future__ import annotations

import errno
import json
import logging
import shutil
from collections import deque
from pathlib import Path

import numpy as np
import pytest
from toystages import TABLE

from a3dgen.commands.build import showing
from a3dgen.config import build_config
from a3dgen.core.body_config import BodyConfig
from a3dgen.core.errors import ConfigError, DataError
from a3dgen.core.stage import Context
from a3dgen.engine import build as engine
from a3dgen.engine.build import Build
from a3dgen.engine.build_folder import folder_lock
from a3dgen.engine.dask_cluster import make_executor
from a3dgen.engine.executor import Inline
from a3dgen.engine.freshness import plan
from a3dgen.engine.ledger import Ledger, remarks_kept
from a3dgen.engine.progress import Lines, Quiet
from a3dgen.engine.shrinking import Consent
from a3dgen.engine.tasks import StorageError, Task, cut_shards, mask_reason
from a3dgen.io import shards

FROM_FIT = {"fit": 2, "amputate": 2, "background": 2, "render": 2, "annotate": 1, "report": 1}
SHARD_STAGES = ("fit", "amputate", "background", "render")


def build(out, workers=0, force=(), until="", retry_failed=False, body="body", progress=None, alone=False, **tree):
    run = {"out": str(out), "workers": workers, "shard_size": tree.pop("shard_size", 4)}
    config = build_config({"sources": {}, **tree}, "toy", "toy.yaml", TABLE, run)
    made = Build(
        config,
        lambda: make_executor(config.run),
        progress or Quiet(),
        lambda: body,
        frozenset(force),
        until,
        retry_failed,
        TABLE,
        stop_if_nobody=alone,
        consent=Consent(alone),
    )
    return made.run()


class Heard(Quiet):
    """Keeps how often each stage was started and how far it said to be."""

    def __init__(self):
        self.done = {}

    def advance(self, stage, done=1):
        self.done[stage] = self.done.get(stage, 0) + done


def made(ledger):
    return {name: book.made for name, book in ledger.stages.items() if book.made}


def content(out: Path, but=("run.json", "log.jsonl", ".lock")) -> dict[str, bytes]:
    return {
        str(p.relative_to(out)): p.read_bytes()
        for p in sorted(out.rglob("*"))
        if p.is_file() and p.name not in but and p.suffix != ".files"
    }


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    out = tmp_path_factory.mktemp("finished") / "b"
    build(out, fit={"reject": ["toy/1"], "fail": ["toy/3"]})
    return out


@pytest.fixture
def out(finished, tmp_path):
    """A finished build to damage, with the settings of ``again``."""
    shutil.copytree(finished, tmp_path / "b")
    return tmp_path / "b"


def again(out, fit=None, **more):
    return build(out, fit={"reject": ["toy/1"], "fail": ["toy/3"], **(fit or {})}, **more)


def test_everybody_is_accounted_for(out):
    ledger = again(out)
    assert ledger.people() == {"read": 10, "ok": 6, "rejected": 3, "failed": 1}
    assert ledger.stages["fit"].reasons == {
        "rejected": {"'…' hides # joints": [1, "'toy/1' hides 3 joints"]},
        "failed": {"ValueError: bad number # in '…'": [1, "ValueError: bad number 7 in 'toy/3'"]},
    }
    assert ledger.stages["ingest"].reasons["rejected"]["only # keypoints"] == [2, "only 4 keypoints"]
    assert ledger.stages["render"].regions["intact"] == 6
    assert ledger.stages["render"].regions["right_elbow"] == 6
    assert ledger.failed == 1
    rows = json.loads((out / "A3D_Dataset" / "dataset.json").read_text())["rows"]
    assert len(rows) == 12
    facts = json.loads((out / "run.json").read_text())
    assert facts["people"]["read"] == 10
    assert facts["stages"]["fit"]["seconds"] > 0
    assert facts["stages"]["fit"]["bytes"] > 0


def test_again_does_nothing_and_starts_no_worker(out, monkeypatch):
    before = content(out)
    monkeypatch.setattr(engine.Crew, "executor", lambda self: pytest.fail("started an executor"))
    assert again(out).made == 0
    assert content(out) == before


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"report": {"people": 5}}, {"report": 1}),
        ({"annotate": {"strict": True}}, {"annotate": 1, "report": 1}),
        ({"render": {"gain": 2}}, {"render": 2, "annotate": 1, "report": 1}),
        ({"background": {"tone": 1}}, {}),  # as it was
        # The rows of Plates, paths among them, are the same; the pictures are not.
        ({"background": {"tone": 2}}, {"background": 2, "render": 2, "annotate": 1, "report": 1}),
        ({"amputate": {"variants": 3}}, {"amputate": 2, "background": 2, "render": 2, "annotate": 1, "report": 1}),
        ({"fit": {"max_iterations": 11}}, FROM_FIT),
        ({"body": "other"}, FROM_FIT),
        ({"seed": 1}, {"ingest": 2, **FROM_FIT}),
    ],
)  # fmt: skip
def test_a_change_rebuilds_exactly_what_depends_on_it(out, change, expected):
    assert made(again(out, **change)) == expected
    assert again(out, **change).made == 0


def test_an_equal_result_stops_the_rebuild(out):
    """A changed key that changes nothing (a rejected person who is not there) is followed no further."""
    ledger = again(out, fit={"reject": ["toy/1", "nobody"]})
    assert made(ledger) == {"fit": 2, "annotate": 1, "report": 1}


def test_stage_is_rerun_when_asked_and_later_ones_only_if_it_changed(out):
    before = content(out)
    assert made(again(out, force=["fit"])) == {"fit": 2}
    assert made(again(out, force=["annotate"])) == {"annotate": 1}
    assert content(out) == before


def test_only_up_to_a_stage(tmp_path):
    ledger = build(tmp_path, until="fit")
    assert set(ledger.stages) == {"ingest", "fit"}
    assert not (tmp_path / "A3D_Dataset").exists()
    assert set(made(build(tmp_path))) == {"amputate", "background", "render", "annotate", "report"}


@pytest.mark.parametrize("shard_size", [3, 100])
def test_shard_size_does_not_change_the_dataset(out, shard_size):
    before = (
        content(out / "A3D_Dataset"),
        content(out / "render" / "Images"),
        content(out / "background", ("x",)).keys(),
    )
    again(out, shard_size=shard_size)
    assert (content(out / "A3D_Dataset"), content(out / "render" / "Images")) == before[:2]
    stages = ("ingest", *SHARD_STAGES)
    assert len({len(list((out / s).glob("*.h5"))) for s in stages}) == 1
    assert again(out, shard_size=shard_size).made == 0


def damage_h5(out):
    path = out / "fit" / "000001.h5"
    data = bytearray(path.read_bytes())
    data[500] ^= 255
    path.write_bytes(data)


DAMAGES = {
    "sidecar missing": lambda out: (out / "fit" / "000001.json").unlink(),
    "plate missing": lambda out: next((out / "background").glob("*.png")).unlink(),
    "dataset missing": lambda out: shutil.rmtree(out / "A3D_Dataset"),
    "report missing": lambda out: (out / "report.html").unlink(),
    "ingest not finished": lambda out: (out / "ingest" / "done.json").unlink(),
    "temporaries": lambda out: [
        (out / name).write_text("half")
        for name in ("fit/.000000.h5.9.a3dgen.tmp", "render/Images/.x.png.1.a3dgen.tmp", ".run.json.3.a3dgen.tmp")
    ],
}


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_is_found_and_mended(out, name):
    before = content(out)
    DAMAGES[name](out)
    ledger = again(out)
    assert content(out) == before
    assert ledger.made or name == "temporaries"
    assert again(out).made == 0


def test_status_names_the_cause(out):
    def status(**tree):
        run = {"out": str(out), "shard_size": 4}
        tree["fit"] = {"reject": ["toy/1"], "fail": ["toy/3"], **tree.get("fit", {})}
        return plan(build_config({"sources": {}, **tree}, "toy", "toy.yaml", TABLE, run), TABLE, lambda: "body")

    assert not any(any(whys) for whys in status().values())
    found = status(fit={"max_iterations": 4})
    assert found["fit"] == ["config changed"] * 2
    assert found["render"] == ["follows fit"] * 2
    assert found["report"] == ["follows fit"]
    damage_h5(out)
    assert status()["fit"] == ["", "000001.h5 is corrupted"]
    assert status(seed=3)["ingest"] == ["seed changed"]


def test_shapes_of_subjects_are_found_before_any_shard(tmp_path):
    tree = {"ingest": {"people": 132, "subjects": 2, "refuse": 0}}
    build(tmp_path / "a", until="fit", shard_size=33, **tree)
    build(tmp_path / "b", until="fit", shard_size=150, **tree)
    shapes = shards.read_shard(tmp_path / "a" / "fit" / "shape.h5")["Shapes"]
    assert shapes.key.tolist() == ["S0", "S1"]
    assert shapes.frames.tolist() == [64, 64]
    assert (tmp_path / "a" / "fit" / "shape.h5").read_bytes() == (tmp_path / "b" / "fit" / "shape.h5").read_bytes()
    bodies = shards.read_shard(tmp_path / "a" / "fit" / "000002.h5")["Bodies"]
    assert np.array_equal(bodies.betas, shapes.betas[[int(k[4:]) % 2 for k in bodies.key]])
    assert build(tmp_path / "a", until="fit", shard_size=33, **tree).made == 0


def test_a_shard_depends_on_the_shapes_of_its_own_subjects(tmp_path):
    tree = {"ingest": {"people": 8, "subjects": 8, "refuse": 0}, "until": "fit"}
    build(tmp_path, **tree)
    (tmp_path / "fit" / "shape.h5").unlink()
    assert build(tmp_path, **tree).made == 0  # found again, and the same
    path = tmp_path / "fit" / "shape.json"
    facts = json.loads(path.read_text())
    facts["shapes"]["S6"] = "another"
    path.write_text(json.dumps(facts))
    assert made(build(tmp_path, **tree)) == {"fit": 1}
    build(tmp_path, ingest={"people": 8}, until="fit")
    assert not path.exists()


def test_orphaned_pictures_go(out):
    again(out, amputate={"variants": 1})
    assert len(list((out / "render" / "Images").glob("*.png"))) == 6
    again(out, ingest={"people": 5})
    assert len(list((out / "background").glob("*.png"))) == 2
    assert len(list((out / "fit").glob("*.h5"))) == 1


def test_retry_reruns_shards_with_failed_people_only(out):
    ledger = again(out, retry_failed=True)
    assert made(ledger) == {"fit": 1}


def test_groups_are_never_split(tmp_path):
    build(tmp_path, shard_size=3, ingest={"people": 12, "group": 4, "refuse": 0}, until="ingest")
    for path in (tmp_path / "ingest").glob("*.h5"):
        assert len(shards.read_shard(path)["Persons"]) == 4


def test_cutting():
    def row(i, group="", clip="", image=""):
        return {
            "key": str(i), "group": group, "clip": clip, "subset": "MPII", "stem": "", "image": image,
            "image_size": (1, 1), "bbox": [0] * 4, "keypoints": [[0] * 3] * 44, "state": [0] * 44, "K": [[0] * 3] * 3,
        }  # fmt: skip

    assert [len(s.outcome) for s in cut_shards([(str(i), "no") for i in range(40)], 1)] == [16, 16, 8]
    with pytest.raises(DataError, match="two people are both called '1'"):
        list(cut_shards([row(1), row(1)], 4))
    with pytest.raises(DataError, match="group 'a' is not read in one piece"):
        list(cut_shards([row(1, "a"), row(2, "b"), row(3, "a")], 4))
    crowd = [row(i, image="crowd.jpg") for i in range(3)] + [row(i, image=f"{i}.jpg") for i in range(3, 6)]
    assert [len(s.record) for s in cut_shards(crowd, 2)] == [3, 2, 1], "people of one photo stay together"
    clips = [row(1, "a", "x"), row(2, "b", "x"), row(3, "c", "x"), row(4, "d", "y"), row(5)]
    assert [len(s.record) for s in cut_shards(clips, 2)] == [2, 2, 1]
    assert [len(s.record) for s in cut_shards(clips, 2, clips=True)] == [3, 2]
    with pytest.raises(DataError, match="group 'x' is not read in one piece"):
        list(cut_shards([*clips, row(6, "e", "x")], 2, clips=True))


def test_empty_sources_are_an_error(tmp_path):
    with pytest.raises(ConfigError, match="hold no people"):
        build(tmp_path, ingest={"people": 0})


def test_everybody_refused_is_a_finished_build(tmp_path):
    ledger = build(tmp_path, ingest={"refuse": 1})
    assert ledger.people() == {"read": 10, "ok": 0, "rejected": 10, "failed": 0}


def test_an_error_of_the_users_ends_the_build_and_it_resumes(tmp_path):
    with pytest.raises(ConfigError, match="do this"):
        build(tmp_path, fit={"abort": "toy/5"})
    assert (tmp_path / "fit" / "000000.h5").exists()
    ledger = build(tmp_path)
    assert ledger.stages["ingest"].made == 0


def test_a_bug_outside_each_is_narrowed_down_to_its_people(tmp_path):
    ledger = build(tmp_path, fit={"shard_bug": ["toy/2", "toy/5"]}, max_shard_retries=0)
    assert ledger.people() == {"read": 10, "ok": 6, "rejected": 2, "failed": 2}
    assert any("toy/5" in event for event in ledger.events)


def test_full_disk_in_ingest_is_one_line(tmp_path):
    with pytest.raises(StorageError, match=r"No space left on device.*run again to resume"):
        build(tmp_path, ingest={"stop_at": 7})
    assert build(tmp_path).people()["read"] == 10


def test_full_disk_in_a_stage_is_one_line_and_resumes(tmp_path, monkeypatch):
    reference = tmp_path / "reference"
    build(reference)
    real, calls = shards.write_bytes, []

    def full(path, data):
        calls.append(path)
        if len(calls) == 17:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        real(path, data)

    monkeypatch.setattr(shards, "write_bytes", full)
    with pytest.raises(StorageError, match="No space left"):
        build(tmp_path / "b")
    monkeypatch.setattr(shards, "write_bytes", real)
    build(tmp_path / "b")
    assert content(tmp_path / "b") == content(reference)


def test_a_folder_has_one_build_at_a_time(tmp_path):
    with folder_lock(tmp_path), pytest.raises(ConfigError, match="another build is running"):
        build(tmp_path)
    build(tmp_path)


def test_the_books_must_balance(out, monkeypatch):
    real = engine.Ledger.add

    def lose(self, stage, facts, made):
        real(self, stage, facts | ({"counts": {"ok": 0, "rejected": 0, "failed": 0}} if stage == "fit" else {}), made)

    monkeypatch.setattr(engine.Ledger, "add", lose)
    with pytest.raises(DataError, match="do not balance"):
        again(out)


def test_workers_give_the_same_bytes_and_their_death_is_survived(finished, tmp_path):
    """One cluster for all of it: a worker killed once, and a person who always kills theirs."""
    tree = {"reject": ["toy/1"], "fail": ["toy/3"], "once": "toy/2", "deadly": ["toy/6"]}
    ledger = build(tmp_path / "b", workers=2, fit=tree, max_shard_retries=0)
    assert ledger.people() == {"read": 10, "ok": 5, "rejected": 3, "failed": 2}
    reasons = ledger.stages["fit"].reasons["failed"]
    assert reasons["the worker process died (killed, or out of memory)"][0] == 1
    alike = content(tmp_path / "b" / "render" / "Images")
    reference = content(finished / "render" / "Images")
    assert len(alike) == 10
    assert all(reference[name] == data for name, data in alike.items())


def test_inline_runs_in_order(tmp_path):
    context = Context(0, BodyConfig(), tmp_path, tmp_path)
    tasks = [Task(TABLE["fit"], i, None, context, {}) for i in range(3)]
    executor = Inline(lambda task: {"shard": task.shard})
    assert executor.next(0.0) is None
    for task in tasks:
        executor.submit(task)
    assert [executor.next(0.0).facts["shard"] for _ in range(3)] == [0, 1, 2]


def test_map_keeps_the_order():
    assert list(Inline().map(abs, [-3, 2])) == [3, 2]


def test_lines_show_rate_and_time_left(capsys, monkeypatch):
    clock = iter([0.0, 0.0, 11.0])
    monkeypatch.setattr("a3dgen.engine.progress.time.monotonic", lambda: next(clock))
    lines = Lines()
    lines.start("fit", 10)
    lines.advance("fit", 5)
    lines.finish("fit", "note")
    lines.close()
    shown = capsys.readouterr().err.splitlines()
    assert shown == ["fit: 5 of 10 in 11.0 s, 0.5/s", "fit: 5 of 10 in 11.0 s, 0.5/s (note)"]  # one batch tells no rate


def test_reasons_are_grouped_without_names_and_numbers():
    assert mask_reason("photo 'a b.jpg' is 10x20 px: /data/x/y.jpg") == "photo '…' is #x# px: …"


def test_quiet_shows_remarks_and_nothing_else(capsys):
    with showing(quiet=True) as progress:
        progress.start("ingest", 3)
        progress.advance("ingest", 3)
        progress.finish("ingest", "done")
        logging.getLogger("a3dgen").warning("a.json: 3 points left out")
    assert capsys.readouterr().err == "a.json: 3 points left out\n"


def test_remarks_are_kept_in_the_log(tmp_path):
    with remarks_kept(Ledger(tmp_path)):
        logging.getLogger("a3dgen.sources").warning("a.json: 3 points left out")
    logging.getLogger("a3dgen").warning("later")
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [(line["event"], line["text"]) for line in lines] == [("remark", "a.json: 3 points left out")]


def test_where_nobody_is_found_later_stages_stay_as_they_are(tmp_path):
    out = tmp_path / "b"
    people = build(out, alone=True, ingest={"people": 3}, progress=(heard := Heard()))
    assert people.stages["report"].made
    assert heard.done["ingest"] == 3, "people are read, and counted, once"
    before = content(out / "render")
    nobody = build(out, alone=True, ingest={"people": 4, "refuse": 1})
    assert set(nobody.stages) == {"ingest"}
    assert nobody.stages["ingest"].counts["rejected"] == 4
    assert content(out / "render") == before


class TwoSlots(Inline):
    """Two workers with two slots each, as far as the schedule sees; keeps how many tasks were under way."""

    def __init__(self):
        super().__init__()
        self.handed, self.most = deque(), []

    def slots(self):
        return 4

    def submit(self, task):
        self.handed.append(task)
        self.most.append(len(self.handed))

    def next(self, timeout):
        super().submit(self.handed.popleft())
        return super().next(timeout)


def test_the_last_tasks_wait_for_no_busy_worker(tmp_path):
    pool = TwoSlots()
    run = {"out": str(tmp_path), "workers": 0, "shard_size": 1}
    config = build_config({"sources": {}}, "toy", "toy.yaml", TABLE, run)
    Build(config, lambda: pool, Quiet(), lambda: "body", table=TABLE).run()
    assert max(pool.most) == 4, "two a worker while there is much to do"
    assert max(pool.most[-4:]) <= 2
