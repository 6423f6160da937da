"""Hostile bytes for every parser, hostile requests for every route, hostile clients for the server."""
