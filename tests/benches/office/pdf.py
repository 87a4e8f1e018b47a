"""What a PDF of a letter costs with LibreOffice, by the ways there are: CPU milliseconds a letter, as a table.

Run, with Debian's python3-uno:  taskset -c 0 /usr/bin/python3 tests/benches/office/pdf.py LETTERS.zip JOINED.docx     (or JOINED.odt)
LETTERS.zip is what DownloadMerge gives of a merge of 100 letters, JOINED.docx the same with MERGE_OUTPUT_JOINED.
"""

import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import uno
from com.sun.star.beans import PropertyValue

work = Path(tempfile.mkdtemp())
profile = f"-env:UserInstallation=file://{work}/profile"
office = ["soffice", profile, "--headless", "--norestore"]


def children():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def row(way, letters, seconds, more=""):
    print(f"| {way} | {letters} | {seconds * 1000:,.0f} | {seconds / letters * 1000:.1f} | {more} |", flush=True)


def convert(way, files, letters, runs=1):
    begin = children()
    for run in range(runs):
        out = work / "out"
        shutil.rmtree(out, ignore_errors=True)
        chosen = files[run : run + 1] if runs > 1 else files
        subprocess.run([*office, "--convert-to", "pdf", "--outdir", out, *chosen], check=True, capture_output=True)
        assert len(list(out.iterdir())) == len(chosen)
    row(way, letters, children() - begin)


def of_process(pid):
    """CPU seconds and MiB of memory."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    seconds = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return seconds, int(fields[21]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def value(name, it):
    given = PropertyValue()
    given.Name, given.Value = name, it
    return given


def to_pdf(desktop, file):
    document = desktop.loadComponentFromURL(file.as_uri(), "_blank", 0, (value("Hidden", True),))
    pdf = work / "uno.pdf"
    document.storeToURL(pdf.as_uri(), (value("FilterName", "writer_pdf_Export"),))
    document.close(True)
    assert pdf.read_bytes().startswith(b"%PDF-")


def over_uno(letters, joined):
    process = subprocess.Popen([*office, "--accept=pipe,name=kontor-bench;urp;"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    local = uno.getComponentContext()
    resolver = local.ServiceManager.createInstanceWithContext("com.sun.star.bridge.UnoUrlResolver", local)
    for _ in range(600):
        try:
            context = resolver.resolve("uno:pipe,name=kontor-bench;urp;StarOffice.ComponentContext")
            break
        except Exception:
            time.sleep(0.1)
    desktop = context.ServiceManager.createInstanceWithContext("com.sun.star.frame.Desktop", context)
    pids = subprocess.run(["pgrep", "-f", f"soffice.bin.*{work}"], capture_output=True, text=True, check=True).stdout.split()
    pid = int(pids[0])
    row("running LibreOffice over UNO: its start", 1, of_process(pid)[0], f"{of_process(pid)[1]:.0f} MiB")
    to_pdf(desktop, letters[0])
    for _ in range(3):
        begin, _memory = of_process(pid)
        client = time.process_time()
        for letter in letters:
            to_pdf(desktop, letter)
        end, memory = of_process(pid)
        client = (time.process_time() - client) / len(letters) * 1000
        row("running LibreOffice over UNO, one letter after the other", len(letters), end - begin, f"{memory:.0f} MiB; the client {client:.1f} ms a letter")
    begin, _memory = of_process(pid)
    to_pdf(desktop, joined)
    end, memory = of_process(pid)
    row("running LibreOffice over UNO, one joined document", len(letters), end - begin, f"{memory:.0f} MiB")
    try:
        desktop.terminate()
    except Exception:
        pass
    process.wait()


def main():
    letters = []
    ending = Path(sys.argv[2]).suffix
    with zipfile.ZipFile(sys.argv[1]) as file:
        for number, item in enumerate(file.infolist()):
            path = work / f"{number:03}{ending}"
            path.write_bytes(file.read(item))
            letters.append(path)
    joined = work / f"joined{ending}"
    shutil.copy(sys.argv[2], joined)
    subprocess.run([*office, "--convert-to", "pdf", "--outdir", work / "warm", letters[0]], check=True, capture_output=True)
    print("| way | letters | CPU ms | CPU ms a letter | |")
    print("|---|---|---|---|---|")
    convert("a process for each letter", letters, 5, runs=5)
    for many in (10, 50, 100):
        convert(f"one process for {many} letters", letters[:many], many)
    convert("one process, one joined document", [joined], len(letters))
    over_uno(letters, joined)
    shutil.rmtree(work)


if __name__ == "__main__":
    main()
