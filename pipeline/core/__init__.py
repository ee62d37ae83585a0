"""Errors, console, processes, locks and files: what every other package stands on. Imports nothing of ours."""
