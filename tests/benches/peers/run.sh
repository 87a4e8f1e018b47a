#!/usr/bin/env bash
# Letters a CPU second of Kontor and of docxtpl, docxtemplater and carbone: the same letter of 10 fields and a table of 20 rows, on one core, as a table.
#
# Run: tests/benches/peers/run.sh       (needs python3 with venv, node with npm, and cargo; installs the peers into a temporary folder)
#   KONTOR_LETTERS_BENCH=FILE            a built bench of letters, instead of building it
#   KONTOR_LETTERS_BENCH=none            peers only
#   PEERS_SECONDS=10                     CPU seconds for each peer
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
seconds=${PEERS_SECONDS:-10}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

python3 -m venv "$folder/python"
"$folder/python/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt"
cp "$here/package.json" "$folder/"
npm install --prefix "$folder" --silent --no-audit --no-fund --no-package-lock >/dev/null
python3 "$here/letter.py" make "$folder"

one_core=(taskset -c 0)
echo "| program | letters a CPU second | CPU ms a letter | bytes a letter |"
echo "|---|---|---|---|"
case ${KONTOR_LETTERS_BENCH:-cargo} in
none) ;;
cargo)
    # Built on all cores, run on one.
    (cd "$root" && cargo bench --quiet --workspace --bench letters --no-run)
    (cd "$root" && "${one_core[@]}" cargo bench --quiet --workspace --bench letters) >"$folder/kontor"
    ;;
*) "${one_core[@]}" "$KONTOR_LETTERS_BENCH" >"$folder/kontor" ;;
esac
if [ -e "$folder/kontor" ]; then
    # | bench.docx | 20 | LETTERS | BYTES |
    awk -F'|' '$2 ~ /bench.docx/ && $3 + 0 == 20 { printf "| Kontor | %d | %.3f | %d |\n", $4, 1000 / $4, $5 }' "$folder/kontor"
fi
"${one_core[@]}" "$folder/python/bin/python" "$here/peer_docxtpl.py" "$folder" "$seconds"
"${one_core[@]}" node "$here/peer_docxtemplater.js" "$folder" "$seconds"
(cd "$folder" && "${one_core[@]}" node "$here/peer_carbone.js" "$folder" "$seconds")
python3 "$here/letter.py" check "$folder"
