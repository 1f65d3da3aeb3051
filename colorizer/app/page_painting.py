"""The part of the page where colors are set by clicks."""

# No postponed annotations here: Gradio reads those of the functions below.
from pathlib import Path

import gradio as gr

from colorizer.app.painting import MOST_HINTS, SWATCH, Painting, Steps
from colorizer.errors import ColorizerError
from colorizer.steering.hint import Hint

HELP = "Click on the photograph, then on one of its likely colors, or choose any color and press *Set this color*."
NOTHING = {"source": "", "steps": Steps(), "place": None, "colors": []}


def hints_of(state: dict) -> list[Hint]:
    """The hints of a visitor's state."""
    return [Hint(*entry) for entry in state["steps"].hints]


class Clicks:
    """What happens when a visitor clicks. A visitor's state is `NOTHING` with other values; it is never changed.

    Args:
        painting: works on the clicks.
    """

    def __init__(self, painting: Painting):
        self.painting = painting

    def view(self, state, label, strength, text=""):
        """The picture of a state, the files that are made anew, and a line."""
        source = state["source"]
        nothing = (gr.DownloadButton(interactive=False),) * 2
        if not source:
            return state, None, *nothing, "First choose a photograph above."
        try:
            path = self.painting.picture(source, label, hints_of(state), strength)
            hints = self.painting.sidecar(source, label, hints_of(state)) if state["steps"].hints else None
        except ColorizerError as error:
            return state, gr.skip(), *nothing, str(error)
        count = len(state["steps"].hints)
        text = text or f"{count} {'color' if count == 1 else 'colors'} set"
        saved = gr.DownloadButton(value=hints and str(hints), interactive=bool(hints))
        return state, str(path), saved, nothing[1], text

    def begin(self, source, label, strength):
        """Opens the photograph that is looked at."""
        return *self.view(NOTHING | {"source": source}, label, strength), None

    def click(self, state, label, picked: gr.SelectData):
        """The likely colors of the place that was clicked."""
        if not state["source"]:
            return state, None, "First choose a photograph above."
        x, y = picked.index
        try:
            colors = self.painting.likely_colors(state["source"], label, x, y)
            squares = self.painting.swatches(colors)
        except ColorizerError as error:
            return state | {"place": None, "colors": []}, None, str(error)  # not the place before
        text = f"Place {x}, {y}: choose its color"
        return state | {"place": [x, y], "colors": colors}, str(squares), text

    def add(self, state, color, label, strength):
        """One more hint at the place that was clicked last."""
        if not state["place"]:
            return self.view(state, label, strength, "First click on the photograph.")
        if len(state["steps"].hints) >= MOST_HINTS:
            return self.view(state, label, strength, f"At most {MOST_HINTS} colors.")
        return self.view(state | {"steps": state["steps"].add(*state["place"], _hexadecimal(color))}, label, strength)

    def choose(self, state, label, strength, picked: gr.SelectData):
        """The likely color that was clicked."""
        index = int(picked.index[0] // SWATCH)
        if not 0 <= index < len(state["colors"]):
            return self.view(state, label, strength)
        return self.add(state, state["colors"][index], label, strength)

    def undo(self, state, label, strength):
        """Takes the last step back."""
        return self.view(state | {"steps": state["steps"].undo()}, label, strength)

    def redo(self, state, label, strength):
        """Makes the step again that was taken back last."""
        return self.view(state | {"steps": state["steps"].redo()}, label, strength)

    def make(self, state, label, strength):
        """The photograph at its own size."""
        if not state["source"]:
            return gr.DownloadButton(interactive=False), "First choose a photograph above."
        try:
            path = self.painting.full_size(state["source"], label, hints_of(state), strength)
        except ColorizerError as error:
            return gr.DownloadButton(interactive=False), str(error)
        return gr.DownloadButton(value=str(path), interactive=True), f"{Path(path).name} is ready"


def build(painting: Painting, current: gr.State, method: gr.Radio, strength: gr.Slider) -> None:
    """Adds the part to a page that is being built.

    Args:
        painting: works on the clicks.
        current: path of the photograph that is looked at; "" for none.
        method: chooses the network.
        strength: of the network's colors.
    """
    with gr.Accordion("Set colors by clicking", open=False, elem_id="painting"):
        gr.Markdown(HELP)
        memory = gr.State(NOTHING)
        start = gr.Button("Begin with the photograph shown above", elem_id="begin")
        picture = gr.Image(
            label="Click where a color is wrong", type="filepath", interactive=False, buttons=[], elem_id="painted"
        )
        with gr.Row():
            offered = gr.Image(
                label="Likely colors of that place",
                type="filepath",
                interactive=False,
                buttons=[],
                height=110,
                elem_id="offered",
            )
            any_color = gr.ColorPicker(label="Any color", value="#7a1f1f", elem_id="any-color")
            set_color = gr.Button("Set this color", elem_id="set-color")
        with gr.Row():
            undo = gr.Button("Undo", elem_id="undo")
            redo = gr.Button("Redo", elem_id="redo")
            save = gr.DownloadButton("Save the hints", elem_id="save-hints", interactive=False)
            full = gr.Button("Make the full size", elem_id="make-full")
            download = gr.DownloadButton("Download it", elem_id="painted-download", interactive=False)
        line = gr.Textbox(label="Colors set", show_label=False, lines=1, elem_id="painting-line")

    clicks = Clicks(painting)
    look = [method, strength]
    outputs = [memory, picture, save, download, line]
    private = {"api_visibility": "private"}
    start.click(clicks.begin, [current, *look], [*outputs, offered], api_name="begin_painting", **private)
    picture.select(clicks.click, [memory, method], [memory, offered, line], api_name="click_painting", **private)
    offered.select(clicks.choose, [memory, *look], outputs, api_name="choose_color", **private)
    set_color.click(clicks.add, [memory, any_color, *look], outputs, api_name="set_color", **private)
    undo.click(clicks.undo, [memory, *look], outputs, api_name="undo_color", **private)
    redo.click(clicks.redo, [memory, *look], outputs, api_name="redo_color", **private)
    full.click(clicks.make, [memory, *look], [download, line], api_name="full_painting", **private)
    repaint = clicks.view  # once for both: Gradio lets one event at a time run for each function object
    for part, happens in ((method, method.input), (strength, strength.release)):
        happens(repaint, [memory, *look], outputs, api_name=f"repaint_{part.elem_id}", **private)


def _hexadecimal(color: str) -> str:
    """What a color picker gives, "#rrggbb" or "rgba(r, g, b, a)", as "#rrggbb"."""
    if not color.startswith("rgb"):
        return color
    numbers = color.partition("(")[2].rstrip(")").split(",")[:3]
    return "#" + bytes(min(255, max(0, round(float(number)))) for number in numbers).hex()
