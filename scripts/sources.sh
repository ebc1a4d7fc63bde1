#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Prints the files of this checkout that somebody wrote: what git has, or would have; without git what is no build product.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
	git ls-files -co --exclude-standard
else
	find . -type f ! -path './build/*' | cut -c3-
fi
