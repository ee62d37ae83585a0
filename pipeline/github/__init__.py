"""GitHub: what actions are told, the API, reports, affected stages, and rehearsals of workflows."""
