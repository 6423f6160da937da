"""Doing: one verb or subject a module. Functions take the hub, the actor and plain values."""
