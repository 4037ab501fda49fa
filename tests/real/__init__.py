"""Real servers in overlays of this machine's root folder, and the audit driven against them."""
