"""Writes offer.docx, the template of docs/letters.md, as Word would. Called by make: templates.py FILE."""

import struct
import sys
import zlib
from io import BytesIO
from pathlib import Path

from docx import Document
from docx.enum.text import WD_ALIGN_PARAGRAPH
from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from docx.shared import Cm, Pt, RGBColor


def logo():
    """A sun over a roof, 240 x 120 points, as PNG."""
    rows = b""
    for y in range(120):
        rows += b"\0"
        for x in range(240):
            if (x - 120) ** 2 + (y - 52) ** 2 < 40**2:
                point = b"\xf5\xa6\x23"
            else:
                point = b"\xff\xff\xff"
            if y > 40 + abs(x - 120) * 0.55 and y < 62 + abs(x - 120) * 0.55 and y < 118:
                point = b"\x1f\x4e\x79"
            rows += point

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 240, 120, 8, 2, 0, 0, 0)
    return BytesIO(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def field(paragraph, code):
    """A field of Word: PAGE, NEXT, MERGEFIELD name."""
    for kind, text in (("begin", None), (None, code), ("end", None)):
        run = paragraph.add_run()._r
        if kind:
            mark = OxmlElement("w:fldChar")
            mark.set(qn("w:fldCharType"), kind)
        else:
            mark = OxmlElement("w:instrText")
            mark.text = text
        run.append(mark)


def letter():
    document = Document()
    section = document.sections[0]
    section.page_width, section.page_height = Cm(21), Cm(29.7)
    section.left_margin = section.right_margin = Cm(2.5)
    style = document.styles["Normal"]
    style.font.name, style.font.size = "Liberation Sans", Pt(11)
    style.paragraph_format.space_after = Pt(6)
    return document


def shade(cell, colour):
    fill = OxmlElement("w:shd")
    fill.set(qn("w:val"), "clear")
    fill.set(qn("w:fill"), colour)
    cell._tc.get_or_add_tcPr().append(fill)


def offer():
    document = letter()
    section = document.sections[0]
    head = section.header.paragraphs[0]
    head.alignment = WD_ALIGN_PARAGRAPH.RIGHT
    head.add_run().add_picture(logo(), height=Cm(1.4))
    head.add_run("   Example Roofs").bold = True
    foot = section.footer.paragraphs[0]
    foot.alignment = WD_ALIGN_PARAGRAPH.CENTER
    foot.add_run("{{ user.name }} · {{ user.email }} · ")
    field(foot, "PAGE")

    address = document.add_paragraph()
    for line in ("{{ partner.name }}", "{{ partner.street }}", "{{ partner.postal_code }} {{ partner.city }}"):
        run = address.add_run(line)
        if line != "{{ partner.postal_code }} {{ partner.city }}":
            run.add_break()
    date = document.add_paragraph("{{ today() | date('long') }}")
    date.alignment = WD_ALIGN_PARAGRAPH.RIGHT
    german, other = '{% if "de" in partner.language %}', "{% else %}"
    title = document.add_paragraph().add_run(german + "Angebot" + other + "Offer{% endif %}")
    title.bold, title.font.size, title.font.color.rgb = True, Pt(14), RGBColor(0x1F, 0x4E, 0x79)
    document.add_paragraph("{{ salutation(partner) }},")
    document.add_paragraph(german)
    german_text = document.add_paragraph("danke für Ihr Interesse. Alles zusammen kostet ")
    german_text.add_run("{{ deal.total }}").bold = True
    german_text.add_run("; das Angebot gilt bis {{ deal.until | date('long') }}.")
    document.add_paragraph(other)
    text = document.add_paragraph("thank you for your interest. All of it costs ")
    text.add_run("{{ deal.total }}").bold = True
    text.add_run("; the offer holds until {{ deal.until | date('long') }}.")
    document.add_paragraph("{% endif %}")

    table = document.add_table(rows=2, cols=3, style="Table Grid")
    table.autofit = False
    first, second, third = table.rows[0].cells
    first.text = "{% for line in lines %}{{ loop.index }}"
    second.text = "{{ line.name }}"
    third.text = "{{ line.price }}{% endfor %}"
    last = table.rows[1].cells
    last[0].merge(last[1])
    last[2].paragraphs[0].add_run("{{ lines | sum('price') }}").bold = True
    for column, width in zip(table.columns, (2.5, 9.5, 4)):
        column.width = Cm(width)
    for row in table.rows:
        row.cells[2].paragraphs[0].alignment = WD_ALIGN_PARAGRAPH.RIGHT
    for cell in (last[0], last[2]):
        shade(cell, "D9E6F2")

    document.add_paragraph()
    document.add_paragraph("{{ user.name }}")
    code = document.add_paragraph()
    picture = code.add_run().add_picture(logo(), width=Cm(2.6), height=Cm(2.6))
    # What Word calls the alternative text of the picture.
    picture._inline.docPr.set("descr", '{{ ("https://shop.example.com/?for=" ~ partner.email) | qr }}')
    return document


def labels():
    """A sheet of 3 x 7, with the fields that Word's own mail merge puts there."""
    document = letter()
    table = document.add_table(rows=7, cols=3, style="Table Grid")
    for number, cell in enumerate(cell for row in table.rows for cell in row.cells):
        paragraph = cell.paragraphs[0]
        if number:
            field(paragraph, " NEXT ")
        field(paragraph, " MERGEFIELD partner.name ")
        field(cell.add_paragraph(), " MERGEFIELD partner.street ")
        field(cell.add_paragraph(), " MERGEFIELD partner.city ")
    return document


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    offer().save(folder / "offer.docx")
    labels().save(folder / "labels.docx")
