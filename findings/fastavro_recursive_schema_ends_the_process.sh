#!/usr/bin/env bash
# fastavro decodes a record that contains itself by recursion, until the process is killed.
set -euo pipefail
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q fastavro==1.13.1
cd "$work"
cat > read.py <<'PY'
import io
import sys

import fastavro

node = {"type": "record", "name": "node", "fields": [{"name": "next", "type": ["null", "node"]}]}
levels = int(sys.argv[1])
# A byte for each level: the branch of the union; the last one is null.
record = fastavro.schemaless_reader(io.BytesIO(b"\2" * levels + b"\0"), fastavro.parse_schema(node))
print(type(record).__name__)
PY
"$work/venv/bin/python" - <<'PY'
import subprocess
import sys

import fastavro

print(f"fastavro {fastavro.__version__}, Python {sys.version.split()[0]}")
status = {}
for levels in (1000, 1_000_000):
    done = subprocess.run([sys.executable, "read.py", str(levels)], capture_output=True)
    status[levels] = done.returncode
    print(f"{levels} levels: expected 0 or 1 (a Python error), seen {done.returncode}")
print(
    "A file of a megabyte, valid by its schema, ends the whole process with a signal (-11), since\n"
    "the compiled reader does not count its depth: no exception can be caught. A schema that comes\n"
    "with a file should be checked for records in themselves before it decodes anything."
)
if status[1000] != 0 or status[1_000_000] >= 0:
    sys.exit("This has changed.")
PY
