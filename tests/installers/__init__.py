"""Keys, installations and switches, run for real with sh in folders of their own."""
