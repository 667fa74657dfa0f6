# shellcheck shell=bash
# files.sh: sourced by the checks beside it. Goes to the top of the tree; `list PATTERN...` prints
# the tree's own files (by git; by find where there is no repository) that match.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

list() {
    if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
        git ls-files --cached --others --exclude-standard -- "$@" | while read -r file; do
            if [ -e "$file" ]; then
                echo "$file"
            fi
        done | sort -u
    else
        local pattern
        for pattern in "$@"; do
            find . -path './build*' -prune -o -name node_modules -prune -o -type f \
                -name "$pattern" -print
        done | sed 's|^\./||' | sort -u
    fi
}
