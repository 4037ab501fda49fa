"""Audits endpoints in chunks, for a process that a run has started or a machine that it uses.

The run sends `WorkerSettings` once and then chunks; each endpoint of a chunk comes back as one line of JSON.
"""

from __future__ import annotations

from audit.fleet.auditor import ChunkAuditor
from audit.fleet.chunk import Chunk, ChunkTarget, EndpointReply, WorkerSettings, results_in, worker_settings

__all__ = [
    "Chunk",
    "ChunkAuditor",
    "ChunkTarget",
    "EndpointReply",
    "WorkerSettings",
    "results_in",
    "worker_settings",
]
