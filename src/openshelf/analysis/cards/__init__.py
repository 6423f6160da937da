"""Cards: the README of a repo, its front matter, and what they say.

Pure: bytes and text in, values and HTML out. Read in this order: ``front_matter`` (with ``yaml_values``),
``validate`` (with ``field_rules`` and ``known_licences``), ``facts`` (with ``file_formats`` and ``tasks``),
``markdown`` (with ``addresses``, ``elements``, ``allow_list`` and ``highlighting``).
"""
