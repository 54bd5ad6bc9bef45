"""``a3dgen forget``: remove a person from a finished build."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from a3dgen.commands.build import digest_of_body, executor_for
from a3dgen.config import BuildConfig
from a3dgen.core.errors import NobodyThere
from a3dgen.core.user_paths import user_path
from a3dgen.engine.build import Build
from a3dgen.engine.forget import drop_results, forget
from a3dgen.engine.progress import make_progress
from a3dgen.engine.shrinking import Consent


def run(args: argparse.Namespace) -> int:
    """Forget one person; return 1 if a trace is left."""
    out = user_path(args.build).absolute()
    progress = make_progress(args.quiet)

    def build(config: BuildConfig) -> Any:
        def one(until: str) -> Any:
            return Build(
                config,
                lambda: executor_for(config),
                progress,
                lambda: digest_of_body(config),
                until=until,
                consent=Consent(given=True),
            ).run()

        try:
            ledger = one("ingest")
        except NobodyThere:  # it was the only photo
            drop_results(out, read=True)
            return None
        if not ledger.stages["ingest"].rows["Persons"]:
            drop_results(out)
            return ledger
        return one("")

    try:
        facts = forget(out, args.key, args.workers, build)
    finally:
        progress.close()
    if not args.quiet:
        print(f"{args.key}: forgotten, with every sample of the photo; the photo itself, and tables of your own that "
              "name it, are yours to delete")  # fmt: skip
    for name in facts["left"]:
        print(f"a3dgen: a trace is left in {name}", file=sys.stderr)
    return 1 if facts["left"] else 0
