"""Tests of issuers, each against a real server that is strict and misbehaves on demand."""
