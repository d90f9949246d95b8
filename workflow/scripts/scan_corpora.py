"""List the files of a corpus and check what can be checked without decoding them."""

from pathlib import Path

from pipeline.base.jobs import job

with job(snakemake):
    from pipeline.config import load_config
    from pipeline.corpora.changes import files_of, write_files
    from pipeline.corpora.roots import corpus_subsets
    from pipeline.corpora.scan import fetched_files, scan_noise, scan_speech

    config, corpus = load_config(snakemake.config), snakemake.wildcards.corpus
    corpora, out = config.corpora, Path(snakemake.output.scan)
    seen = files_of(
        corpora, corpus, map(Path, snakemake.input)
    )  # first: what comes while it is scanned is a change
    subsets = corpus_subsets(corpora, corpus, Path("results/corpora/demo"))
    only = fetched_files(map(Path, snakemake.input)) if corpora.kind == "download" else None
    if corpus == "noise":
        scan_noise(subsets, out, only)
    else:
        asr = config.evaluation.asr
        transcribed = asr is not None and asr.reference == "transcript"
        # Not parameters: they are checked early, but decide nothing of what is listed.
        scan_speech(subsets, config.mixtures.most_speakers, out, only, need_transcripts=transcribed)
    write_files(seen, Path(snakemake.output.files))
