"""Whether a connection gets in: firewall rules read into values and evaluated, without I/O."""
