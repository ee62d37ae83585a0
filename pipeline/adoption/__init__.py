"""Taking in an application that this repository was not written for."""
