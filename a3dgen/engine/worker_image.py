"""What every worker imports sooner or later; imported once, in the process that local workers are copies of."""

from __future__ import annotations

import gc
import importlib

from a3dgen.core.threads import limit_threads
from a3dgen.core.worker_memory import keep_freed_memory
from a3dgen.stages.table import SHARD, STAGE_TABLE

limit_threads()
keep_freed_memory()
for _name in ("distributed.nanny", "distributed.worker"):
    importlib.import_module(_name)
for _spec in STAGE_TABLE.values():
    if _spec.kind == SHARD:
        _spec.code()
gc.collect()
gc.freeze()  # nothing of this is looked at again, page by page, in every copy
