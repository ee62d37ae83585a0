"""A GitHub on this machine, for `./inv pipeline`: the REST API, the identity tokens and the actions that workflows use.

It imports nothing of the pipeline; `python -m localgithub.server` serves it, act runs the actions.
"""
