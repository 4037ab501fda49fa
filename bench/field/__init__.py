"""Measures discovery on configurations from the field; the daemons themselves show what is right.

    python -m bench.field [FOLDER]

Each configuration is put on a host of its own, and its daemon is started. What the daemon serves is observed from
outside: which sockets speak TLS, which certificate each name gets, from which directory port 80 serves each name.
Then discovery reads the same host. The configurations are:
- those that Debian's packages install for the daemons we know (`packages.py`),
- the test data in the source packages of certbot's plugins for nginx and apache (`sources.py`),
- the cases in FOLDER, if it is given: a directory for each, with `expected.json` (`cases.py`).

Prints recall and precision for each service, then each fault. Exits with status 1 if a goal is missed.
"""
