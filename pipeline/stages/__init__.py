"""One module a stage of the path: lint, test, build, scan, plan, apply, sync, verify …"""
