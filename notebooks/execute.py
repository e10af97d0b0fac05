"""Execute notebooks and save them in place, all of this folder or those given."""

from __future__ import annotations

import base64
import io
import os
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from PIL import Image

HERE = Path(__file__).resolve().parent
COLOURS = 96  # of a kept picture: a third of the size, and the eye sees no difference
NO_BARS = "ignore:IProgress not found"  # said where a notebook has no widgets; nothing here needs them


def execute(path: Path) -> nbformat.NotebookNode:
    """Return a notebook with the outputs of running it afresh; raise where a cell raises."""
    notebook = nbformat.read(path, as_version=4)
    where = {"metadata": {"path": str(path.parent)}}
    # Times of execution would differ in every run; the outputs do not.
    client = NotebookClient(notebook, timeout=600, kernel_name="python3", resources=where, record_timing=False)
    client.execute(env={**os.environ, "PYTHONWARNINGS": NO_BARS})
    notebook.metadata["language_info"] = {"name": "python"}  # without the version of this Python
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if "image/png" in output.get("data", {}):
                output["data"]["image/png"] = smaller(output["data"]["image/png"])
    return notebook


def smaller(picture: str) -> str:
    """Return a PNG in base64 with fewer colours."""
    content = io.BytesIO()
    image = Image.open(io.BytesIO(base64.b64decode(picture))).convert("RGB")
    image.quantize(COLOURS, dither=Image.Dither.NONE).save(content, "PNG", optimize=True)
    return base64.b64encode(content.getvalue()).decode()


def main() -> None:
    for path in [Path(name).resolve() for name in sys.argv[1:]] or sorted(HERE.glob("*.ipynb")):
        began = time.perf_counter()
        executed = execute(path)
        partial = path.with_suffix(".partial")
        nbformat.write(executed, partial)
        os.replace(partial, path)
        print(f"{path.name}: {time.perf_counter() - began:.0f} s, {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
