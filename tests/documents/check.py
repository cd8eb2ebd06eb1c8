"""Opens generated documents with the libraries that others read such files with.

Argument: the folder. Standard input: a line of JSON per document, as `examples/documents.rs`
prints it. Prints one line per kind of document, and ends with status 1 if one was not right.
"""

import io
import json
import os
import sys

import docx
import openpyxl
import PIL.Image
import pptx
import pypdf


def picture(content):
    """Decodes the whole picture, checksums included."""
    PIL.Image.open(io.BytesIO(content)).load()


def check_docx(path, expected):
    document = docx.Document(path)
    texts = [paragraph.text for paragraph in document.paragraphs]
    missing = [text for text in expected["paragraphs"] if text not in texts]
    assert not missing, missing
    rows = [[row.cells[0].text, int(row.cells[1].text)] for row in document.tables[0].rows]
    assert rows == expected["rows"][: len(rows)], rows
    assert len(document.inline_shapes) == expected["pictures"]
    for part in document.part.related_parts.values():
        if part.partname.endswith(".png"):
            picture(part.blob)
    assert document.core_properties.title == expected["title"]
    assert document.core_properties.author == expected["author"]
    assert document.core_properties.revision == 2


def check_xlsx(path, expected):
    for data_only in (True, False):
        book = openpyxl.load_workbook(path, data_only=data_only)
        rows = list(book.worksheets[0].iter_rows(min_row=2, values_only=True))[:-1]
        assert [[row[1], row[2]] for row in rows] == expected["rows"]
        assert all(row[0].year in (2023, 2024) for row in rows), rows[0]
        if data_only:
            assert all(abs(row[2] * row[3] - row[4]) < 0.01 for row in rows)
    notes = [row[0] for row in book.worksheets[1].iter_rows(values_only=True)]
    assert notes == expected["paragraphs"]
    assert book.properties.title == expected["title"]
    assert book.properties.creator == expected["author"]


def check_pptx(path, expected):
    slides = pptx.Presentation(path).slides
    texts = [
        paragraph.text
        for slide in slides
        for paragraph in slide.placeholders[1].text_frame.paragraphs
        if paragraph.text
    ]
    assert texts == expected["paragraphs"], texts
    assert all(expected["title"] in slide.shapes.title.text for slide in slides)
    pictures = [shape for slide in slides for shape in slide.shapes if shape.shape_type == 13]
    assert len(pictures) == expected["pictures"]
    for shape in pictures:
        picture(shape.image.blob)


def check_pdf(path, expected):
    reader = pypdf.PdfReader(path, strict=True)
    text = "".join("".join(page.extract_text().split()) for page in reader.pages)
    missing = [one for one in expected["paragraphs"] if "".join(one.split()) not in text]
    assert not missing, missing
    images = [image for page in reader.pages for image in page.images]
    assert len(images) == expected["pictures"]
    assert reader.metadata.title == expected["title"]
    assert reader.metadata.author == expected["author"]


CHECKS = {"docx": check_docx, "xlsx": check_xlsx, "pptx": check_pptx, "pdf": check_pdf}


def main():
    counts, failed = dict.fromkeys(CHECKS, 0), 0
    for line in sys.stdin:
        expected = json.loads(line)
        ending = expected["name"].rsplit(".", 1)[1]
        try:
            CHECKS[ending](os.path.join(sys.argv[1], expected["name"]), expected)
            counts[ending] += 1
        except Exception as error:  # noqa: BLE001: one bad file must not hide the others
            failed += 1
            print(f"FAILED  {expected['name']}: {type(error).__name__}: {error}")
    for ending, count in counts.items():
        print(f"ok      {ending}: {count} files")
    return 1 if failed or not all(counts.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
