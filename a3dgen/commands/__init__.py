"""One module a command: ``run(args) -> exit code``. Imported when the command is called."""
