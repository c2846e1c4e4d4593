"""The command line of m2m-adapters: one thin file per command group."""
