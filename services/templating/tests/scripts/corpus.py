"""Writes the templates in tests/data that are made by python-docx, odfpy and LibreOffice.

Run in services/templating: python3 tests/scripts/corpus.py   (pip install python-docx odfpy; LibreOffice as soffice)
"""
import io
import pathlib
import struct
import subprocess
import tempfile
import zlib

import docx
from docx.oxml import OxmlElement, parse_xml
from docx.oxml.ns import nsdecls, qn
from docx.shared import Cm

DATA = pathlib.Path(__file__).resolve().parent.parent / "data"
HYPERLINK = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/hyperlink"


def png(width=40, height=30):
    rows = b"".join(b"\0" + b"\xcc\x44\x22" * width for _ in range(height))
    chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def split(paragraph, text):
    """Writes a text in runs of three letters, with a spell checker's marks between them."""
    for at in range(0, len(text), 3):
        paragraph.add_run(text[at : at + 3])
        if at % 2:
            mark = OxmlElement("w:proofErr")
            mark.set(qn("w:type"), "spellStart" if at % 4 == 1 else "spellEnd")
            paragraph._p.append(mark)


def field(paragraph, *parts):
    """A complex field: strings are its instruction, tuples are fields in it."""

    def char(kind):
        paragraph.add_run()._r.append(parse_xml(f'<w:fldChar {nsdecls("w")} w:fldCharType="{kind}"/>'))

    char("begin")
    for part in parts:
        if isinstance(part, tuple):
            field(paragraph, *part)
            continue
        half = len(part) // 2
        for piece in (part[:half], part[half:]):
            element = parse_xml(f'<w:instrText {nsdecls("w")} xml:space="preserve"></w:instrText>')
            element.text = piece
            paragraph.add_run()._r.append(element)
    char("separate")
    paragraph.add_run("«old»").italic = True
    char("end")


def letter():
    document = docx.Document()
    section = document.sections[0]
    section.header.paragraphs[0].text = "{{ company.name }} on {{ today() | date('short') }}"
    field(section.footer.paragraphs[0], " PAGE ")
    document.add_paragraph("{{ partner.name }}")
    document.add_paragraph("{{ partner.street }}\n{{ partner.city }}")
    split(document.add_paragraph(), "{{ salutation(partner) }},")
    paragraph = document.add_paragraph("we offer ")
    paragraph.add_run("{{ deal.title | upper }}").bold = True
    paragraph.add_run(" for {{ deal.total | money }} until ")
    paragraph.add_run("{{ deal.until | date('long') }}").italic = True
    paragraph.add_run(": {{ deal.lines | length }} {{ deal.lines | plural('line', 'lines') }}.")
    for text in ["{% if deal.discount %}", "You save {{ deal.discount | percent }}.", "{% else %}", "This is our best price.", "{% endif %}"]:
        document.add_paragraph(text)
    table = document.add_table(rows=3, cols=4)
    table.style = "Table Grid"
    for cell, text in zip(table.rows[0].cells, ["No", "Item", "Amount", "Price"]):
        cell.text = text
    texts = ["{% for line in deal.lines %}{{ loop.index }}", "{{ line.name }}", "{{ line.count | number(1) }}", "{{ line.price | money }}{% endfor %}"]
    for cell, text in zip(table.rows[1].cells, texts):
        split(cell.paragraphs[0], text)
    for cell, text in zip(table.rows[2].cells, ["", "Total", "", "{{ deal.lines | sum('price') | money }}"]):
        cell.text = text
    document.add_paragraph("{% for note in deal.notes %}")
    document.add_paragraph("{{ note }}", style="List Number")
    document.add_paragraph("{% endfor %}")
    document.add_picture(io.BytesIO(png()), width=Cm(4), height=Cm(3))
    document.inline_shapes[0]._inline.docPr.set("descr", "{{ partner.photo }}")
    document.add_picture(io.BytesIO(png()), width=Cm(2), height=Cm(2))
    document.inline_shapes[1]._inline.docPr.set("name", "{{ deal.url | qr }}")
    paragraph = document.add_paragraph()
    target = "https://example.com/o/%7B%7B%20deal.id%20%7D%7D?c=%7B%7Bpartner.city%7D%7D"
    relation = document.part.relate_to(target, HYPERLINK, is_external=True)
    link = f'<w:hyperlink {nsdecls("w", "r")} r:id="{relation}"><w:r><w:t>{{{{ deal.id }}}}</w:t></w:r></w:hyperlink>'
    paragraph._p.append(parse_xml(link))
    document.add_paragraph("Yours, {{ user.name }}")
    document.save(DATA / "letter.docx")


def merge():
    document = docx.Document()
    paragraph = document.add_paragraph("Dear ")
    field(paragraph, " MERGEFIELD  Partner_Name  \\* Upper  \\* MERGEFORMAT ")
    paragraph.add_run(",")
    paragraph = document.add_paragraph()
    field(paragraph, " IF ", (" MERGEFIELD partner.country ",), ' = "FR" "Bonjour ', (" MERGEFIELD partner.name ",), '" "Hello" ')
    paragraph = document.add_paragraph("Sum ")
    field(paragraph, ' MERGEFIELD deal.total \\# "#,##0.00" ')
    paragraph.add_run(" on ")
    field(paragraph, ' MERGEFIELD deal.until \\@ "d MMMM yyyy" ')
    paragraph = document.add_paragraph("Extra")
    field(paragraph, ' MERGEFIELD partner.extra \\b " (" \\f ")" ')
    paragraph.add_run(".")
    paragraph = document.add_paragraph()
    inner = (" IF ", (" MERGEFIELD partner.city ",), ' = "P*" "large in P" "large" ')
    field(paragraph, " IF ", (" MERGEFIELD deal.total ",), ' >= 1000 "', inner, '" "small" ')
    paragraph = document.add_paragraph("Simple ")
    instruction = ' MERGEFIELD &quot;user.name&quot; \\* FirstCap '
    simple = f'<w:fldSimple {nsdecls("w")} w:instr="{instruction}"><w:r><w:rPr><w:b/></w:rPr><w:t>«user»</w:t></w:r></w:fldSimple>'
    paragraph._p.append(parse_xml(simple))
    paragraph = document.add_paragraph("Letter ")
    field(paragraph, " MERGEREC ")
    paragraph.add_run(" of ")
    field(paragraph, ' DATE \\@ "dd.MM.yyyy" ')
    paragraph = document.add_paragraph("Page ")
    field(paragraph, " PAGE ")
    merge = f'<w:mailMerge {nsdecls("w")}><w:mainDocumentType w:val="formLetters"/><w:dataType w:val="textFile"/></w:mailMerge>'
    document.settings.element.insert(0, parse_xml(merge))
    document.save(DATA / "merge.docx")


def labels():
    document = docx.Document()
    table = document.add_table(rows=2, cols=2)
    for at, cell in enumerate(cell for row in table.rows for cell in row.cells):
        paragraph = cell.paragraphs[0]
        if at:
            field(paragraph, " NEXT ")
        field(paragraph, " MERGEFIELD partner.name ")
        paragraph.add_run("/")
        field(paragraph, " MERGEFIELD partner.city ")
    document.save(DATA / "labels.docx")


def odt():
    from odf import draw, style, table, text
    from odf.opendocument import OpenDocumentText
    from odf.svg import Desc

    document = OpenDocumentText()
    for name, properties in [("Bold", {"fontweight": "bold"}), ("Italic", {"fontstyle": "italic"})]:
        made = style.Style(name=name, family="text")
        made.addElement(style.TextProperties(attributes=properties))
        document.automaticstyles.addElement(made)
    layout = style.PageLayout(name="Page")
    document.automaticstyles.addElement(layout)
    master = style.MasterPage(name="Standard", pagelayoutname="Page")
    footer = style.Footer()
    paragraph = text.P(text="Page ")
    paragraph.addElement(text.PageNumber(text="1"))
    footer.addElement(paragraph)
    master.addElement(footer)
    document.masterstyles.addElement(master)
    body = document.text

    def p(content):
        body.addElement(text.P(text=content))

    p("{{ partner.name }}")
    p("{{ partner.street }}")
    paragraph = text.P()
    for at, piece in enumerate(["{", "{ salu", "tation(", "part", "ner) }", "},"]):
        paragraph.addElement(text.Span(stylename="Bold" if at % 2 else "Italic", text=piece))
    body.addElement(paragraph)
    p("we offer {{ deal.title | upper }} for {{ deal.total | money }} until {{ deal.until | date('long') }}.")
    for line in ["{% if deal.discount %}", "You save {{ deal.discount | percent }}.", "{% else %}", "This is our best price.", "{% endif %}"]:
        p(line)
    sheet = table.Table(name="Lines")
    sheet.addElement(table.TableColumn(numbercolumnsrepeated=3))
    rows = [
        ["No", "Item", "Price"],
        ["{% for line in deal.lines %}{{ loop.index }}", "{{ line.name }}", "{{ line.price | money }}{% endfor %}"],
        ["", "Total", "{{ deal.lines | sum('price') | money }}"],
    ]
    for row in rows:
        made = table.TableRow()
        for cell in row:
            one = table.TableCell(valuetype="string")
            one.addElement(text.P(text=cell))
            made.addElement(one)
        sheet.addElement(made)
    body.addElement(sheet)
    items = text.List()
    for item in ["{% for note in deal.notes %}", "{{ note }}", "{% endfor %}"]:
        one = text.ListItem()
        one.addElement(text.P(text=item))
        items.addElement(one)
    body.addElement(items)
    frame = draw.Frame(name="photo", anchortype="as-char", width="4cm", height="3cm")
    path = document.addPicture("photo.png", mediatype="image/png", content=png())
    frame.addElement(draw.Image(href=path, type="simple", show="embed", actuate="onLoad"))
    frame.addElement(Desc(text="{{ partner.photo }}"))
    paragraph = text.P()
    paragraph.addElement(frame)
    body.addElement(paragraph)
    paragraph = text.P()
    paragraph.addElement(text.A(href="https://example.com/o/%7B%7B%20deal.id%20%7D%7D", type="simple", text="{{ deal.id }}"))
    body.addElement(paragraph)
    p("Yours, {{ user.name }}")
    document.save(str(DATA / "letter.odt"))


BENCH = [
    "{{ partner.name }}", "{{ partner.street }}", "{{ partner.city }}", "{{ partner.country }}", "{{ salutation(partner) }},",
    "we thank you for your interest in {{ deal.title }}. All of it together costs {{ deal.total | money }}, and the offer holds until {{ deal.until | date('long') }}.",
    "Yours sincerely", "{{ user.name }}", "{{ user.phone }}",
]
ROW = ["{% for line in deal.lines %}{{ line.name }}", "{{ line.count }}", "{{ line.price | money }}", "{{ line.sum | money }}{% endfor %}"]


def bench():
    """The letter of the bench: ten fields and a table."""
    document = docx.Document()
    for text in BENCH[:6]:
        document.add_paragraph(text)
    table = document.add_table(rows=2, cols=4)
    table.style = "Table Grid"
    for row, texts in zip(table.rows, (["Article", "Number", "Price", "Sum"], ROW)):
        for cell, text in zip(row.cells, texts):
            cell.text = text
    for text in BENCH[6:]:
        document.add_paragraph(text)
    document.save(DATA / "bench.docx")
    with tempfile.TemporaryDirectory() as folder:
        command = ["soffice", f"-env:UserInstallation=file://{folder}/profile", "--headless", "--convert-to", "odt", "--outdir", folder, DATA / "bench.docx"]
        subprocess.run(command, check=True, capture_output=True, timeout=120)
        (DATA / "bench.odt").write_bytes((pathlib.Path(folder) / "bench.odt").read_bytes())


FIELDS = """<?xml version="1.0" encoding="UTF-8"?>
<office:document xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0" xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0" xmlns:ooow="http://openoffice.org/2004/writer" office:version="1.2" office:mimetype="application/vnd.oasis.opendocument.text">
<office:body><office:text>
<text:p>Dear <text:database-display text:column-name="Partner_Name" text:table-name="people" text:table-type="table" text:database-name="crm">&lt;Partner_Name&gt;</text:database-display>,</text:p>
<text:p><text:conditional-text text:condition="ooow:partner.country == &quot;FR&quot;" text:string-value-if-true="Bonjour" text:string-value-if-false="Hello" text:current-value="false">Hello</text:conditional-text> there</text:p>
<text:p>Visible<text:hidden-text text:condition="ooow:deal.total &lt; 1000" text:string-value=" and large" text:is-hidden="false"> and large</text:hidden-text>.</text:p>
<text:p>Only outside<text:hidden-paragraph text:condition="ooow:partner.country EQ &quot;FR&quot;" text:is-hidden="false"/> of France</text:p>
<text:p>End</text:p>
</office:text></office:body></office:document>
"""


def office():
    """What LibreOffice itself writes: its fields from a flat file, and the other templates converted both ways."""
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        flat = folder / "fields.fodt"
        flat.write_text(FIELDS)
        jobs = [(flat, "odt", "fields.odt"), (DATA / "letter.docx", "odt", "letter-from-docx.odt"), (DATA / "letter.odt", "docx", "letter-from-odt.docx")]
        for source, kind, name in jobs:
            out = folder / "out"
            command = ["soffice", f"-env:UserInstallation=file://{folder}/profile", "--headless", "--convert-to", kind, "--outdir", out, source]
            subprocess.run(command, check=True, capture_output=True, timeout=120)
            (DATA / name).write_bytes((out / f"{source.stem}.{kind}").read_bytes())


letter()
merge()
labels()
odt()
office()
bench()
