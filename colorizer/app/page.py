"""The page around a workbench: Gradio's components, and what happens when they change."""

# No postponed annotations here: Gradio reads those of the functions below.
from pathlib import Path

import gradio as gr

from colorizer import photos
from colorizer.app import film, page_painting
from colorizer.app.painting import Painting
from colorizer.app.service import Workbench
from colorizer.errors import WorkError

TITLE = "Colorizer"
ABOUT = """Black-and-white photographs in likely colors: guesses, not the real ones.
A photograph keeps its sharpness and size. Its own colors, if it has any, are not used."""
SESSIONS = 200  # visitors that Gradio remembers, about 80 kB each; one who is forgotten loses the list of results
FONTS = {"font": ["system-ui", "sans-serif"], "font_mono": ["ui-monospace", "monospace"]}  # Gradio's are downloaded


def settings() -> dict:
    """Gradio's settings wherever the page is served: no file is readable, nothing comes from elsewhere."""
    return {
        "allowed_paths": [],
        "theme": gr.themes.Default(**FONTS),
        "footer_links": [],
        "run_history": False,
        "enable_monitoring": False,
        "ssr_mode": False,
    }


class Events:
    """What happens when a visitor uploads, chooses or clicks.

    Args:
        bench: colorizes.
        examples: photographs to click on.
    """

    def __init__(self, bench: Workbench, examples: list[Path]):
        self.bench, self.examples = bench, examples

    def colorize(self, files, label, strength):
        """Colorizes photographs: paths of uploads, a method of the chooser, a strength from 0 to 1."""
        nothing = (None, gr.DownloadButton(interactive=False), "", gr.Gallery(value=None, visible=False), [], [], "")
        if not files:
            return nothing
        try:
            result = self.bench.colorize(files, label, strength)
        except WorkError as error:  # no `gr.Error`: it would cover the page and then vanish
            return *nothing[:2], f"Not colorized: {error}", *nothing[3:]
        pairs = [(str(preview.before), str(preview.after)) for preview in result.previews]
        pictures = [(str(preview.after), preview.name) for preview in result.previews]
        gallery = gr.Gallery(pictures, visible=len(pairs) > 1, selected_index=None)
        download = gr.DownloadButton(value=str(result.download), interactive=True)
        originals = [str(preview.source) for preview in result.previews]
        return pairs[0], download, result.report, gallery, pairs, originals, originals[0]

    def show(self, pairs, originals, picked: gr.SelectData):
        """The before and after of the picture that was clicked, and its upload."""
        if not 0 <= picked.index < len(pairs) or not all(Path(path).is_file() for path in pairs[picked.index]):
            return gr.skip()  # removed meanwhile
        return tuple(pairs[picked.index]), originals[picked.index]

    def example(self, picked: gr.SelectData):
        """The example that was clicked, in the place of an upload."""
        return [str(self.examples[picked.index])]


def build(bench: Workbench, examples: list[Path]) -> gr.Blocks:
    """The page around a workbench.

    Args:
        bench: colorizes.
        examples: photographs to click on, in a folder of their own; without any the page offers none.

    Returns:
        The page, not yet launched.
    """
    events, labels = Events(bench, examples), list(bench.networks)
    if examples:
        gr.set_static_paths([examples[0].parent])
    with gr.Blocks(title=TITLE, analytics_enabled=False) as blocks:
        gr.Markdown(f"# {TITLE}\n{ABOUT}")
        pairs, originals, current = gr.State([]), gr.State([]), gr.State("")
        with gr.Row():
            with gr.Column(scale=1):
                files = gr.File(
                    label="Photographs",
                    file_count="multiple",
                    file_types=[*photos.EXTENSIONS, *photos.ONLY_READ, *film.endings()],
                    elem_id="upload",
                )
                method = gr.Radio(labels, value=labels[0], label="Colors", elem_id="method", visible=len(labels) > 1)
                strength = gr.Slider(0, 1, 1, step=0.05, label="Strength", elem_id="strength")
                gallery = gr.Gallery(
                    [str(path) for path in examples],
                    label="Or one of these",
                    columns=2,
                    height="auto",
                    allow_preview=False,
                    buttons=[],
                    visible=bool(examples),
                    elem_id="examples",
                )
            with gr.Column(scale=2):
                slider, results, download, report = _outputs(
                    "Drop photographs, or click on an example." if examples else "Drop photographs."
                )
                page_painting.build(Painting(bench), current, method, strength)
        work = {
            "fn": events.colorize,
            "inputs": [files, method, strength],
            "outputs": [slider, download, report, results, pairs, originals, current],
        }
        files.change(**work, api_name="colorize")
        method.input(**work, api_name="change_colors", api_visibility="private")
        strength.release(**work, api_name="change_strength", api_visibility="private")
        gallery.select(events.example, None, files, api_name="choose_example", api_visibility="private")
        results.select(
            events.show, [pairs, originals], [slider, current], api_name="show_result", api_visibility="private"
        )
    # One event at a time; the others wait in Gradio's queue and see their place in it.
    return blocks.queue(default_concurrency_limit=1, max_size=100)


def _outputs(placeholder: str) -> tuple[gr.ImageSlider, gr.Gallery, gr.DownloadButton, gr.Textbox]:
    """The parts that show results; `placeholder` is what the report says before there is one."""
    # No button for a download here: it would be of the preview.
    slider = gr.ImageSlider(
        label="Before and after",
        type="filepath",
        interactive=False,
        buttons=["fullscreen"],
        elem_id="slider",
    )
    results = gr.Gallery(
        label="All photographs: click to compare",
        columns=6,
        height=190,
        object_fit="cover",
        allow_preview=False,
        interactive=False,
        buttons=[],
        visible=False,
        elem_id="results",
    )
    download = gr.DownloadButton("Download at full size", variant="primary", interactive=False, elem_id="download")
    report = gr.Textbox(
        label="Report",
        show_label=False,
        placeholder=placeholder,
        lines=1,
        max_lines=12,
        elem_id="report",
    )
    return slider, results, download, report
