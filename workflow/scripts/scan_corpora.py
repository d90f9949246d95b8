"""List the files of the corpora and check what can be checked without decoding them."""

from pathlib import Path

from pipeline.jobs import job

with job(snakemake):
    from pipeline.config import Corpora, load_config
    from pipeline.corpora.roots import corpus_roots, require_roots
    from pipeline.corpora.scan import fetched_files, scan_noise, scan_speech

    corpora = Corpora(**snakemake.params.corpora)
    if corpora.kind == "local":
        require_roots(corpora.local)
    folders, noise = corpus_roots(corpora, Path("results/corpora/demo"))
    only = fetched_files(map(Path, snakemake.input)) if corpora.kind == "download" else None
    # Not a parameter: it is checked early, but decides nothing of what is listed.
    num_speakers = load_config(snakemake.config).mixtures.num_speakers
    scan_speech(folders, num_speakers, Path(snakemake.output.speech), only)
    scan_noise(noise, Path(snakemake.output.noise), only)
