#!/bin/sh
# Renew the lock files of the client environments: requirements/clients/compile.sh [uv]
# torch is left out of its lock: the CPU build is on no common index, so tests/conformance asks pip for it.
set -eu
uv=${1:-.venv/bin/uv}
cd "$(dirname "$0")/../.."
for wanted in requirements/clients/*.in; do
  lock=${wanted%.in}.lock
  case $wanted in
    */real-model.in) options=--no-deps ;;
    */sentence-transformers.in | */torch.in | */mergekit.in) options="--find-links ${PIP_FIND_LINKS:-.} --no-emit-find-links --no-emit-package torch" ;;
    *) options= ;;
  esac
  # shellcheck disable=SC2086
  "$uv" pip compile -q $options --generate-hashes --no-annotate --no-header --python-version 3.11 "$wanted" -o "$lock"
done
