"""GitHub: Actions, the API, reports, affected stages, the required check, rehearsals of workflows."""
