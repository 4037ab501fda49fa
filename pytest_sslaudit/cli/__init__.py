"""The commands of the product beside pytest."""
