"""The Python behind the tasks: one module a stage, one a local engine, and a small core they share."""
