"""The web page: drop photographs, see them coloured, take them home at full size.

    python -m colorizer app                                 http://127.0.0.1:7860, for this computer alone
    python -m colorizer app --classifier FILE.keras
    python -m colorizer app --host 0.0.0.0 --port 8000      for everybody who can reach this computer

Nothing is sent anywhere else. Uploads and results lie in one temporary folder, are removed after
`--keep-minutes` and all of them when the page ends (Ctrl-C).
Exit status: 0 ended; 2 wrong usage, a package missing, or weights or a classifier that cannot be had.
"""

import argparse
import importlib.util
import logging
import os
import signal
import sys
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from colorizer.errors import WorkError

if TYPE_CHECKING:
    import gradio

    from colorizer.app.service import Workbench

PROG = "python -m colorizer app"
TITLE = "Colorizer"
ABOUT = """Black-and-white photographs in likely colours: guesses, not those that were there.
A photograph keeps its own sharpness and size. Its own colours, if it has any, are not looked at."""


def parse(argv=None, prog: str = PROG) -> argparse.Namespace:
    """The typed flags; exits with 2 where one of them is wrong."""
    parser = argparse.ArgumentParser(prog, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="the address to listen on (default: %(default)s, this computer alone)")
    add("--port", type=int, default=7860, help="(default: %(default)s)")
    add(
        "--weights", nargs="+", metavar="NAME|FILE", help="to choose from (default: shipped, and those of results/runs)"
    )
    add("--classifier", metavar="FILE", help="where the class vector comes from (default: as trained)")
    add("--max-megabytes", type=float, default=50, metavar="N", help="of one upload (default: %(default)s)")
    add("--max-megapixels", type=float, default=100, metavar="N", help="of one photo (default: %(default)s)")
    add("--keep-minutes", type=float, default=60, metavar="N", help="until a file is removed (default: %(default)s)")
    flags = parser.parse_args(argv)
    for name in ("max_megabytes", "max_megapixels", "keep_minutes"):
        if not getattr(flags, name) > 0:
            parser.error(f"--{name.replace('_', '-')} is more than 0. Received: {getattr(flags, name)}")
    return flags


def page(bench: "Workbench", examples: list[Path]) -> "gradio.Blocks":
    """The page around a workbench.

    Args:
        bench: does the work.
        examples: photographs to click on, in a folder of their own.

    Returns:
        A `gradio.Blocks`, not yet launched.

    Source: ours.
    """
    import gradio as gr

    from colorizer import photos

    def colorize(files, label, strength):
        """Colorizes photographs: paths of uploads, a method of the chooser, a strength from 0 to 1."""
        if not files:
            return None, gr.DownloadButton(interactive=False), ""
        try:
            result = bench.colorize(files, label, strength)
        except WorkError as error:  # no `gr.Error`: it would cover the page and then vanish
            return None, gr.DownloadButton(interactive=False), f"Not colorized: {error}"
        download = gr.DownloadButton(value=str(result.download), interactive=True)
        return (str(result.before), str(result.after)), download, result.report

    def example(picked: gr.SelectData):  # Gradio reads the annotation: no postponed ones in this file
        return [str(examples[picked.index])]

    labels = list(bench.networks)
    # Fonts of the computer itself: Gradio's own would be fetched from somebody else's.
    if examples:
        gr.set_static_paths([examples[0].parent])
    with gr.Blocks(title=TITLE, analytics_enabled=False) as blocks:
        gr.Markdown(f"# {TITLE}\n{ABOUT}")
        with gr.Row():
            with gr.Column(scale=1):
                files = gr.File(
                    label="Photographs",
                    file_count="multiple",
                    file_types=[*photos.EXTENSIONS, *photos.ONLY_READ],
                    elem_id="upload",
                )
                method = gr.Radio(labels, value=labels[0], label="Method", elem_id="method")
                strength = gr.Slider(0, 1, 1, step=0.05, label="Strength of the colours", elem_id="strength")
                gallery = gr.Gallery(
                    [str(path) for path in examples],
                    label="Or one of these",
                    columns=2,
                    height=260,
                    allow_preview=False,
                    elem_id="examples",
                )
            with gr.Column(scale=2):
                slider = gr.ImageSlider(label="Before and after", type="filepath", interactive=False, elem_id="slider")
                download = gr.DownloadButton(
                    "Download at full size", variant="primary", interactive=False, elem_id="download"
                )
                report = gr.Textbox(label="Report", show_label=False, lines=1, max_lines=12, elem_id="report")
        wires = {"fn": colorize, "inputs": [files, method, strength], "outputs": [slider, download, report]}
        files.change(**wires, api_name="colorize")
        method.input(**wires, api_name=False)
        strength.release(**wires, api_name=False)
        gallery.select(example, None, files, api_name=False)
    # One event at a time; the others wait in Gradio's queue and see their place in it.
    return blocks.queue(default_concurrency_limit=1, max_size=100)


def serve(flags: argparse.Namespace, bench: "Workbench", stop: threading.Event, examples: list[Path]) -> None:
    """Listens until `stop` is set, and removes old files meanwhile.

    Args:
        flags: from `parse`.
        bench: does the work, in its folder.
        stop: ends it.
        examples: see `page`.

    Source: ours.
    """
    import gradio as gr

    from colorizer.app import service

    fonts = {"font": ["system-ui", "sans-serif"], "font_mono": ["ui-monospace", "monospace"]}
    blocks = page(bench, examples)
    blocks.launch(
        server_name=flags.host,
        server_port=flags.port,
        max_file_size=int(flags.max_megabytes * 2**20),
        allowed_paths=[],
        theme=gr.themes.Default(**fonts),
        footer_links=[],
        share=False,
        ssr_mode=False,
        prevent_thread_lock=True,
        quiet=True,
    )
    print(f"{TITLE} listens on http://{flags.host}:{flags.port}  (Ctrl-C ends it)", flush=True)
    try:
        while not stop.wait(min(60, flags.keep_minutes * 30)):
            service.sweep(bench.folder, examples[0].parent if examples else bench.folder, flags.keep_minutes * 60)
    finally:
        blocks.close(verbose=False)


def main(argv=None, prog: str = PROG) -> int:
    """Flags -> networks -> a page in a temporary folder, until Ctrl-C; returns the exit status."""
    flags = parse(argv, prog)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    if importlib.util.find_spec("gradio") is None:
        print(
            f"{prog}: the page needs Gradio, which is not installed. In a clone of this repository:\n"
            '    pip install -e ".[app]" -c constraints.txt\n',
            file=sys.stderr,
        )
        return 2
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with tempfile.TemporaryDirectory(prefix="colorizer-") as name:
        folder = Path(name).resolve()
        # Read by Gradio when it is imported: uploads go into this folder, and nobody is told that it runs.
        os.environ |= {"GRADIO_TEMP_DIR": str(folder), "GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_OFFLINE": "1"}
        from colorizer.app import service

        try:
            networks = service.load_networks(flags.weights, flags.classifier)
        except WorkError as error:
            print(f"{prog}: {error}", file=sys.stderr)
            return 2
        bench = service.Workbench(networks, folder, int(flags.max_megapixels * 1e6))
        try:
            serve(flags, bench, stop, service.examples(folder / "examples"))
        except OSError as error:  # the port is taken
            print(f"{prog}: cannot listen on {flags.host}:{flags.port}: {error}", file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
