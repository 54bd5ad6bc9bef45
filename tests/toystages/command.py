"""``python command.py build ...``: the command line over the toy stages, in a process that can be killed."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from a3dgen import cli

REAL = cli._command


def toy_command(name: str) -> Callable[[Any], int]:
    """Put the toy stages in place, as late as the real ones are imported: signals are already handled then."""
    import toystages
    from a3dgen.commands import build
    from a3dgen.stages import table

    table.STAGE_TABLE.clear()
    table.STAGE_TABLE.update(toystages.TABLE)
    build.digest_of_body = lambda config: "body"
    build.configure = lambda args: build.load_config(
        args.config, args.set, out=args.out, workers=args.workers, scheduler=args.scheduler
    )
    return REAL(name)


if __name__ == "__main__":
    cli._command = toy_command
    sys.exit(cli.main(sys.argv[1:]))
