"""The architecture as a picture, drawn from a model's config: every named value is a button. All
sizes are in em, so the picture scales with its text. The residual stream runs down on the left;
branches leave it to the right and are added to it again."""

import html
from collections.abc import Sequence

from docs.extensions.template import fill
from shared.config import GPTConfig

ROW, HEIGHT = 2.5, 1.7
"""From one box to the next, and the height of a box."""
STREAM, STREAM_WIDTH = 2.7, 4.6
"""The centre of the stream, and the width of the boxes on it."""
BRANCH, BRANCH_WIDTH = 6.2, 5.6
MIDDLE = BRANCH + BRANCH_WIDTH / 2
"""Where the boxes on the branch begin, their width, and their centre."""
HEADS, HEAD_WIDTH = (6.2, 9.2, 12.2), 2.6
"""Where q, k and v begin."""
WORDS = 15.3
"""Where the words about the boxes on the branch begin."""
WIDTH = 23.5
Points = Sequence[float]
NORM = "LayerNorm"


class Architecture:
    """Grows from the top to the bottom; `y` is where the next row begins. The `config` is of a
    pre-norm model, as the site's is; `names` are labels of buttons, for a screen reader."""

    frame = (
        'role="toolbar" aria-orientation="vertical" '
        'aria-label="the values of the model, in the order of the data flow"'
    )

    def __init__(self, config: GPTConfig, names: dict[str, str]) -> None:
        self.config, self.names = config, names
        self.y = 0.5
        self.boxes: list[str] = []
        self.frames: list[str] = []
        self.lines: list[str] = []
        self.embeddings()
        for i in range(config.n_layer):
            self.block(i)
        self.on_stream("ln_f", "ln_f", NORM)
        self.on_stream("logits", "logits", "· wteᵀ (tied)" if config.tie_weights else "· lm_headᵀ")
        self.on_stream("probs", "probs", "softmax", last=True)

    def __str__(self) -> str:
        """The picture as HTML: buttons in the order of the data flow, with lines between them."""
        size = {"width": WIDTH, "height": f"{self.y:.2f}"}
        drawn = {"drawn": self.frames + self.lines, "boxes": self.boxes}
        return fill("code/architecture", frame=self.frame, **size, **drawn)

    # The parts of a GPT

    def embeddings(self) -> None:
        middle = self.y + HEIGHT / 2
        self.box("span", "part", "wte", STREAM - STREAM_WIDTH / 2, STREAM_WIDTH)
        positions = "wpe" if self.config.position == "learned" else "sin, cos"
        self.box("span", "part", positions, BRANCH, BRANCH_WIDTH)
        self.words("of positions", BRANCH + BRANCH_WIDTH + 0.4)
        self.down_stream()
        self.line((MIDDLE, middle), (MIDDLE, middle + ROW))
        self.y += ROW
        self.arrow((MIDDLE, middle + ROW), (STREAM + STREAM_WIDTH / 2, middle + ROW))
        self.on_stream("embed", "embed", "")

    def block(self, i: int) -> None:
        top, h = self.y, f"h.{i}"
        self.y += 1.5
        self.line((STREAM, top - 0.3), (STREAM, self.y))
        place = f"right:0.5em;top:{top:.2f}em"
        self.boxes.append(f'<span class="name" style="{place}">block {i}</span>')
        self.on_branch(f"{h}.ln_1", "ln_1", NORM, above=())
        self.attention(f"{h}.attn")
        self.on_branch(f"{h}.ln_2", "ln_2", NORM, above=())
        self.on_branch(f"{h}.mlp.fc", "fc", "c_fc")
        self.on_branch(f"{h}.mlp.act", "act", self.config.activation)
        self.on_branch(f"{h}.mlp", "mlp", "c_proj", joins=True)
        self.on_stream(h, h, "")
        size = f'width="{WIDTH - 0.1:.2f}" height="{self.y - 0.3 - top:.2f}"'
        self.frames.append(f'<rect x="0.05" y="{top:.2f}" {size} rx="0.4"/>')
        self.y += 0.3

    def attention(self, prefix: str) -> None:
        """From q, k and v to the sum that is added to the stream; v joins after the weights."""
        fork = self.y - 0.45
        centres = [x + HEAD_WIDTH / 2 for x in HEADS]
        self.line((MIDDLE, self.y - ROW + HEIGHT), (MIDDLE, fork))
        self.line((centres[0], fork), (centres[-1], fork))
        for name, x, centre in zip("qkv", HEADS, centres, strict=True):
            self.arrow((centre, fork), (centre, self.y))
            self.tap(f"{prefix}.{name}", name, x, HEAD_WIDTH)
        self.words("c_attn", WORDS)
        self.stream_goes_on()
        *used_first, waits = centres
        below = self.y + HEIGHT
        self.y += ROW
        self.on_branch(f"{prefix}.scores", "scores", "q kᵀ / √D", above=used_first)
        self.on_branch(f"{prefix}.weights", "weights", "mask, softmax")
        middle = self.y + HEIGHT / 2
        self.line((waits, below), (waits, middle))
        self.arrow((waits, middle), (BRANCH + BRANCH_WIDTH, middle))
        self.on_branch(f"{prefix}.y", "y", "weights · v")
        self.on_branch(prefix, "attn", "c_proj", joins=True)

    # Rows

    def on_stream(self, tap: str, label: str, words: str, *, last: bool = False) -> None:
        self.words(words, STREAM + STREAM_WIDTH / 2 + 0.4)
        if not last:
            self.down_stream()
        self.tap(tap, label, STREAM - STREAM_WIDTH / 2, STREAM_WIDTH)
        self.y += ROW

    def on_branch(
        self, tap: str, label: str, words: str, *, above: Points = (MIDDLE,), joins: bool = False
    ) -> None:
        """A box beside the stream, which passes it by. Arrows lead to it from the boxes above with
        these centres; without any, from the stream. A value that `joins` the stream is added."""
        middle = self.y + HEIGHT / 2
        for x in above:
            self.arrow((x, self.y - ROW + HEIGHT), (x, self.y))
        if not above:
            self.arrow((STREAM, middle), (BRANCH, middle))
        if joins:
            self.arrow((BRANCH, middle), (STREAM + 0.65, middle))
            self.lines.append(
                f'<circle cx="{STREAM}" cy="{middle:.2f}" r="0.65"/><path d="M{STREAM - 0.35} '
                f'{middle:.2f}h0.7M{STREAM} {middle - 0.35:.2f}v0.7"/>'
            )
        self.words(words, WORDS)
        self.stream_goes_on()
        self.tap(tap, label, BRANCH, BRANCH_WIDTH)
        self.y += ROW

    def stream_goes_on(self) -> None:
        """Past this row, from the one above it to the one below."""
        self.line((STREAM, self.y - ROW + HEIGHT), (STREAM, self.y + ROW))

    def down_stream(self) -> None:
        """An arrow from the box of this row into that of the next."""
        self.arrow((STREAM, self.y + HEIGHT), (STREAM, self.y + ROW))

    # Marks

    def tap(self, tap: str, label: str, x: float, width: float) -> None:
        button = f'button type="button" data-tap="{tap}" aria-pressed="false"'
        self.box(f'{button} aria-label="{html.escape(self.names[tap])}"', "tap", label, x, width)

    def words(self, text: str, x: float) -> None:
        """How the value is computed, beside its box."""
        if text:
            self.box("span", "how", text, x, WIDTH - x)

    def box(self, tag: str, kind: str, text: str, x: float, width: float) -> None:
        """An element in this row. `tag` may have attributes."""
        style = f"left:{x:.2f}em;top:{self.y:.2f}em;width:{width:.2f}em;height:{HEIGHT}em"
        end = tag.partition(" ")[0]
        self.boxes.append(f'<{tag} class="{kind}" style="{style}">{text}</{end}>')

    def line(self, start: tuple[float, float], end: tuple[float, float], mark: str = "") -> None:
        (x1, y1), (x2, y2) = start, end
        self.lines.append(f'<path d="M{x1:.2f} {y1:.2f}L{x2:.2f} {y2:.2f}"{mark}/>')

    def arrow(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        self.line(start, end, ' marker-end="url(#architecture-arrow)"')
