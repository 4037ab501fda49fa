"""A host that a control panel keeps, the network it is in, and strict doubles for what of the panel is proprietary."""
