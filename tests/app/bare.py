"""The yardstick of `./inv bench app`: a Flask view that returns a constant string."""

from flask import Flask

app = Flask(__name__)


@app.get("/")
def constant() -> str:
    """Nothing but Flask."""
    return "Happy Thanksgiving!"
