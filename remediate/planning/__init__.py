"""From what an audit found to what is repaired: functions of their arguments, without I/O."""
