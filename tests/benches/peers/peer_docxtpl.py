"""docxtpl: one template object for all letters, from memory to memory. It reads the template again before each letter by itself; text is escaped, as all others do."""

import io
import json
import sys
import time
from importlib.metadata import version
from pathlib import Path

from docxtpl import DocxTemplate
from jinja2 import Environment

folder, seconds = Path(sys.argv[1]), float(sys.argv[2])
letters = json.loads((folder / "letters.json").read_text())
template = DocxTemplate(io.BytesIO((folder / "docxtpl.docx").read_bytes()))
environment = Environment(autoescape=True)


def make(letter):
    template.render(letter, environment, autoescape=True)
    file = io.BytesIO()
    template.save(file)
    return file.getvalue()


for letter in letters:
    last = make(letter)
made, begin = 0, time.process_time()
while time.process_time() - begin < seconds:
    for letter in letters:
        last = make(letter)
        made += 1
spent = time.process_time() - begin
(folder / "docxtpl-letter.docx").write_bytes(last)
print(f"| docxtpl {version('docxtpl')} (Python {sys.version.split()[0]}) | {made / spent:,.0f} | {spent / made * 1000:.2f} | {len(last):,} |")
