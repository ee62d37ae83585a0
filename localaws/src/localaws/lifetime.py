"""Whether this process is on its way down: then the ends of containers are its own doing, and nothing is replaced."""

import threading

ending = threading.Event()
