"""Check what a configuration needs from elsewhere, before anything is computed."""

from importlib.util import find_spec
from pathlib import Path

from pipeline.base.errors import PipelineError
from pipeline.config import Config
from pipeline.config.paths import placed
from pipeline.models import entry_of, networks_of


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
    for name, _, network in networks_of(cfg):
        if package := entry_of(network.model).package:
            try:
                package.sums()
            except PipelineError as error:
                raise PipelineError(f"config: {name}.model: {error}") from error


def _need(key: str, modules: list[str], source: str) -> None:
    missing = [module for module in modules if find_spec(module) is None]
    if missing:
        raise PipelineError(
            f"config: {key}: {' and '.join(missing)} not installed: pip install {source}"
        )
