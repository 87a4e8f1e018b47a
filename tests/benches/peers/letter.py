"""The letter of all peers: its templates from Kontor's bench.docx, its data, and a check that each peer wrote the same.

run.sh calls it:  letter.py make FOLDER   writes TEMPLATE.docx for each peer, and letters.json
                  letter.py check FOLDER  compares the text of PEER-letter.docx with what is to stand in it
"""

import json
import re
import sys
import zipfile
from pathlib import Path

KONTOR = Path(__file__).resolve().parents[3] / "services/templating/tests/data/bench.docx"
TEXT = "word/document.xml"
ROWS = 20
PEERS = ("docxtpl", "docxtemplater", "carbone")
# Kontor's tags, in the order of the document, and what each stands for: group and name.
FIELDS = [
    ("{{ partner.name }}", "partner", "name"),
    ("{{ partner.street }}", "partner", "street"),
    ("{{ partner.city }}", "partner", "city"),
    ("{{ partner.country }}", "partner", "country"),
    ("{{ salutation(partner) }}", "partner", "salutation"),
    ("{{ deal.title }}", "deal", "title"),
    ("{{ deal.total | money }}", "deal", "total"),
    ("{{ deal.until | date('long') }}", "deal", "until"),
    ("{{ user.name }}", "user", "name"),
    ("{{ user.phone }}", "user", "phone"),
]
COLUMNS = ["{{ line.name }}", "{{ line.count }}", "{{ line.price | money }}", "{{ line.sum | money }}"]


def euros(amount):
    return f"€{amount:,.2f}"


def letters():
    """As services/templating/benches/letters.rs has them, but amounts, date and salutation are text already: the peers need not write them."""
    for number in range(50):
        lines = [
            {
                "name": f"Article {row} of {number}",
                "count": str(row % 9 + 1),
                "price": euros(row * 199 % 10_000 + number),
                "sum": euros(row * 397 % 90_000 + number),
            }
            for row in range(ROWS)
        ]
        yield {
            "partner": {
                "name": f"Partner {number}",
                "street": f"Long Street {number}",
                "city": "Springfield",
                "country": "France",
                "salutation": "Dear Ms. Doe",
            },
            "user": {"name": "Max", "phone": "+49 30 1"},
            "deal": {"title": "Offer", "total": euros(number * 1_000), "until": "December 24, 2026", "lines": lines},
        }


def in_peers_words(peer, document):
    """Kontor's document with the tags of a peer."""
    row = next(row for row in re.findall(r"<w:tr>.*?</w:tr>", document) if "{% for" in row)
    bare = row.replace("{% for line in deal.lines %}", "").replace("{% endfor %}", "")
    cells = [column.strip("{} ").split(" ")[0].removeprefix("line.") for column in COLUMNS]
    if peer == "docxtpl":
        # {%tr %} takes the row that it stands in away.
        tag = "<w:tr><w:tc><w:p><w:r><w:t>{%tr TAG %}</w:t></w:r></w:p></w:tc></w:tr>"
        for column, cell in zip(COLUMNS, cells):
            bare = bare.replace(column, f"{{{{ line.{cell} }}}}")
        rows = tag.replace("TAG", "for line in deal.lines") + bare + tag.replace("TAG", "endfor")
        word = lambda group, name: f"{{{{ {group}.{name} }}}}"
    elif peer == "docxtemplater":
        # Names without dots: those need a parser of expressions, which costs more.
        for column, cell in zip(COLUMNS, cells):
            bare = bare.replace(column, f"{{{cell}}}")
        rows = bare.replace("{name}", "{#lines}{name}").replace("{sum}", "{sum}{/lines}")
        word = lambda group, name: f"{{{group}_{name}}}"
    else:
        rows = ""
        for place in ("i", "i+1"):
            filled = bare
            for column, cell in zip(COLUMNS, cells):
                filled = filled.replace(column, f"{{d.deal.lines[{place}].{cell}}}")
            rows += filled
        word = lambda group, name: f"{{d.{group}.{name}}}"
    document = document.replace(row, rows)
    for tag, group, name in FIELDS:
        assert tag in document, tag
        document = document.replace(tag, word(group, name))
    return document


def make(folder):
    with zipfile.ZipFile(KONTOR) as source:
        files = [(item, source.read(item)) for item in source.infolist()]
    for peer in PEERS:
        with zipfile.ZipFile(folder / f"{peer}.docx", "w", zipfile.ZIP_DEFLATED) as target:
            for item, content in files:
                if item.filename == TEXT:
                    content = in_peers_words(peer, content.decode()).encode()
                target.writestr(item.filename, content)
    (folder / "letters.json").write_text(json.dumps(list(letters())))


def texts(path):
    """Its paragraphs' text, without empty ones."""
    with zipfile.ZipFile(path) as file:
        assert file.testzip() is None, path
        document = file.read(TEXT).decode()
    paragraphs = re.findall(r"<w:p[ >].*?</w:p>", document, re.DOTALL)
    found = ("".join(re.findall(r"<w:t(?: [^>]*)?>([^<]*)</w:t>", paragraph)) for paragraph in paragraphs)
    return [text for text in found if text]


def check(folder):
    last = list(letters())[-1]
    expected = []
    with zipfile.ZipFile(KONTOR) as file:
        assert file.read(TEXT)
    for text in texts(KONTOR):
        if text in COLUMNS or "{% for" in text or "{% endfor" in text:
            continue
        for tag, group, name in FIELDS:
            text = text.replace(tag, last[group][name])
        expected.append(text)
    place = expected.index("Sum") + 1
    expected[place:place] = [line[name] for line in last["deal"]["lines"] for name in ("name", "count", "price", "sum")]
    for peer in PEERS:
        found = texts(folder / f"{peer}-letter.docx")
        assert found == expected, f"{peer} wrote {found}, not {expected}"


if __name__ == "__main__":
    {"make": make, "check": check}[sys.argv[1]](Path(sys.argv[2]))
