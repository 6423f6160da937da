"""What the store tells Prometheus."""

from __future__ import annotations

from prometheus_client import Counter

XORB_BYTES = Counter("openshelf_xet_received_bytes_total", "Bytes of xorbs received.")
FILE_BYTES = Counter("openshelf_xet_file_bytes_total", "Bytes of the files that were registered.")
DEDUPLICATED_BYTES = Counter(
    "openshelf_xet_deduplicated_bytes_total",
    "Bytes of registered files that needed no sending: they were stored already.",
)
