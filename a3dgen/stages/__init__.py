"""The stages of a build, one module each: a frozen ``Config`` and a ``run``, which the engine calls shard by shard.

Three shapes of ``run``:

- ``ingest.run(config, context) -> Iterator[dict | tuple[str, str]]``: rows of Persons, or ``(key, reason)`` for every
  person read but refused. The runner cuts the stream into shards.
- shard stages (``fit``, ``amputate``, ``background``, ``render``):
  ``run(config, inputs, context) -> Output``, pure in (config, inputs, context.seed) apart from files below
  ``context.folder``. ``fit`` also has ``shape(config, context, subject, persons) -> dict | None``, which the runner
  calls once for every subject, before the stage's shards.
- gathering stages (``annotate``, ``report``): ``run(config, context, shards: Iterable[Inputs]) -> dict`` of plain
  JSON facts for run.json; they stream over all shards. ``warm(context)``, where there is one, loads what they take.

A person or sample that cannot be used raises ``Rejected(reason)`` inside ``each``; any other exception makes it
``failed``. ``each`` turns both into Outcome rows, so that no key vanishes.
"""
