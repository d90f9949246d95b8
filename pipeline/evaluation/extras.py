"""Check what a configuration needs from elsewhere, before anything is computed."""

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from pipeline.base.errors import PipelineError
from pipeline.config import Config
from pipeline.config.models import Network
from pipeline.config.paths import is_file_name, placed
from pipeline.models import entry_of
from pipeline.tasks import TASKS


def check_extras(cfg: Config) -> None:
    """Refuse networks and measures whose packages or files are missing. Imports nothing heavy.

    Raises:
        PipelineError: one line that names the key and the command that installs what is missing.
    """
    _check_networks(cfg)
    for tracker in set(cfg.machine.trackers) - {"tensorboard"}:
        _need("machine.trackers", [tracker], f"-e '.[{tracker}]'")
    if cfg.evaluation.dnsmos:
        _need("evaluation.dnsmos", ["onnxruntime", "speechmos"], "-e '.[dnsmos]'")
    asr = cfg.evaluation.asr
    if asr is None:
        return
    _need("evaluation.asr", ["jiwer"], "-e '.[asr]'")
    if asr.model is None:
        _need("evaluation.asr.engine", ["pocketsphinx"], "-e '.[asr]'")
    else:
        _need("evaluation.asr.engine", ["faster_whisper"], "faster-whisper")
        if not Path(asr.model).is_dir():
            raise PipelineError(
                f"config: evaluation.asr.model: {placed(asr.model)}: no such folder; give that of a"
                " Whisper model converted for CTranslate2"
            )


def _check_networks(cfg: Config) -> None:
    for key, network in _networks(cfg):
        if package := entry_of(network.model).package:
            try:
                package.sums()
            except PipelineError as error:
                raise PipelineError(f"{key}.model: {error}") from error


def _networks(cfg: Config) -> Iterator[tuple[str, Network]]:
    """Every network with its key, as error lines begin."""
    for section in (task.section for task in TASKS.values()):
        for name, network in getattr(cfg, section).items():
            yield f"config: {section}.{name}", network


def check_starts(cfg: Config) -> None:
    """Refuse weights to start from that are not there, or for a network that is not trained.

    Raises:
        PipelineError: one line that names the key.
    """
    for key, network in _networks(cfg):
        if network.init_from:
            _check_init(f"{key}.init_from", network)


def _check_init(key: str, network: Network) -> None:
    if not entry_of(network.model).trained:
        raise PipelineError(f"{key}: {network.model} is not trained, but published; leave it out")
    source = str(network.init_from)
    ours = source.endswith(".safetensors")  # which this run may make
    if is_file_name(source) and not ours and not Path(source).is_file():
        raise PipelineError(f"{key}: {placed(source)}: no such file; give the path of weights")


def _need(key: str, modules: list[str], source: str) -> None:
    missing = [module for module in modules if find_spec(module) is None]
    if missing:
        raise PipelineError(
            f"config: {key}: {' and '.join(missing)} not installed: pip install {source}"
        )
