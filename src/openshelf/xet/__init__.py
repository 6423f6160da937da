"""Wire formats of the Xet protocol: chunks, hashes, xorbs, shards and reconstruction plans.

Pure: bytes and values in, bytes and values out. Nothing here reads a file, a socket or a setting.

Read in this order: ``hashes``, ``chunking``, ``compression``, ``xorb_index``, ``xorbs``, ``xorb_builder``,
``segments``, ``shards``, ``shard_building``, ``files``, ``reconstruction``, ``reads``. Section numbers in the
docstrings are those of the Xet notes (``shared/reference/xet.md``), which follow https://huggingface.co/docs/xet.
"""
