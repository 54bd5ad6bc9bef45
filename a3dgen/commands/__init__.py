"""One module a command: ``run(args) -> exit code``, imported when the command is called; arguments lie beside them."""
