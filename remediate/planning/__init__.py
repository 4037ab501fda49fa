"""Plans repairs from the results of an audit. The functions depend only on their arguments; they do no I/O."""
