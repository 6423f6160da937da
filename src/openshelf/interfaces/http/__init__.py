"""What the interfaces that speak HTTP share: who asks, where the hub is, errors, bodies and ranges."""

# Routes of every interface use its convertors, and those must be known before a route is made.
from openshelf.interfaces.http import routing as routing
