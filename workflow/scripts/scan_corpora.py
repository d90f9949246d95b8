"""List the files of the corpora and check what can be checked without decoding them."""

from pathlib import Path

from pipeline.jobs import job

with job(snakemake):
    from pipeline.config import Corpora, load_config
    from pipeline.corpora.roots import corpus_roots
    from pipeline.corpora.scan import fetched_files, scan_noise, scan_speech

    corpora = Corpora(**snakemake.params.corpora)
    folders, noise = corpus_roots(corpora, Path("results/corpora/demo"))
    only = fetched_files(map(Path, snakemake.input)) if corpora.kind == "download" else None
    # Not parameters: they are checked early, but decide nothing of what is listed.
    config = load_config(snakemake.config)
    asr = config.evaluation.asr
    scan_speech(
        folders,
        config.mixtures.num_speakers,
        Path(snakemake.output.speech),
        only,
        need_transcripts=asr is not None and asr.reference == "transcript",
    )
    scan_noise(noise, Path(snakemake.output.noise), only)
