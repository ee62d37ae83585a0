"""One module a task, of the task's name."""
