#!/usr/bin/env bash
# Writes the chart's README.md from README.md.gotmpl and the comments of values.yaml; every value must have one.
# With --dry-run it is printed instead.
set -euo pipefail
cd "$(dirname "$0")"
exec helm-docs --chart-search-root=. --sort-values-order=file --log-level=warning "$@"
