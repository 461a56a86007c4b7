"""Recordings on disk: the format, and the cache that workers share."""
