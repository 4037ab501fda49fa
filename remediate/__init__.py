"""The repair of what an audit found: from failing results to a certificate that is proven on the wire.

It knows the audit's facts; it refuses to know pytest and the plugin.
"""
