"""The panel: its services and files, activation by its own API, and its own program."""
