# shellcheck shell=bash
# files.sh: sourced by the checks beside it. Goes to the top of the tree; `list PATTERN...` prints
# the tree's own files (by git; by find where there is no repository) that match, `*` matching `/`,
# too. That none do is a failure: a check that looks at nothing must not pass.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

list() {
    local files
    files=$(list_all "$@" | sed 's|^\./||' | sort -u)
    if [ -z "$files" ]; then
        echo "${0##*/}: no file matches $*" >&2
        return 1
    fi
    printf '%s\n' "$files"
}

list_all() {
    local file pattern kind
    if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
        git ls-files --cached --others --exclude-standard -- "$@" | while read -r file; do
            if [ -e "$file" ]; then
                echo "$file"
            fi
        done
        return
    fi
    for pattern in "$@"; do
        kind=-name
        if [[ $pattern == */* ]]; then
            kind=-path pattern=./$pattern
        fi
        find . -path './build*' -prune -o -name node_modules -prune -o -type f \
            "$kind" "$pattern" -print
    done
}
