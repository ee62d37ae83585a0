"""The local AWS: ministack and moto, extended so that unmodified production Terraform behaves as on AWS.

Both emulators run from a Python environment of their own (``requirements/localaws.txt``); the modules here
are loaded into those processes before they start and wrap or replace single functions of theirs. Nothing of
their code is copied. Because that reaches into private names, each extension is bound to one exact version
and refuses every other (``versions.py``). What is filled, and what still differs from AWS: docs/local-aws.md.
"""
