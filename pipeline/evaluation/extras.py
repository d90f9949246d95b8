"""Check what a configuration needs from elsewhere, before anything is computed."""

from importlib.util import find_spec
from pathlib import Path

from pipeline.base.errors import PipelineError
from pipeline.config import Config, SpeechRecognition
from pipeline.config.paths import placed
from pipeline.models import entry_of, networks_of
from pipeline.models.whisper import check_folder, is_hub_name, packaged_folder


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
    if asr := cfg.evaluation.asr:
        _check_recogniser(asr)


def _check_recogniser(asr: SpeechRecognition) -> None:
    extra = "asr" if asr.engine == "pocketsphinx" else "whisper"
    _need("evaluation.asr", ["jiwer", asr.engine], f"-e '.[{extra}]'")
    try:
        if asr.packaged:
            packaged_folder()
        elif asr.own_model:
            _check_model(asr.own_model, asr.download)
    except PipelineError as error:
        raise PipelineError(f"config: evaluation.asr.model: {error}") from error


def _check_model(model: str, download: bool) -> None:
    """Refuse a model that is neither a folder with weights nor permitted to be fetched."""
    if is_hub_name(model):
        if not download:
            raise PipelineError(
                f"{placed(model)}: no such folder; give that of a Whisper model converted for"
                " CTranslate2, or set evaluation.asr.download to true, which fetches the model of"
                " this name from the Hugging Face hub"
            )
    elif not Path(model).is_dir():
        raise PipelineError(
            f"{placed(model)}: no such folder; give that of a Whisper model converted for"
            " CTranslate2, a name on the Hugging Face hub such as Systran/faster-whisper-small.en,"
            " or packaged"
        )
    else:
        check_folder(Path(model))


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
