"""The repair of what an audit found: from failing results to a certificate that is proven on the wire.

It imports the audit, and neither pytest nor the plugin.
"""
