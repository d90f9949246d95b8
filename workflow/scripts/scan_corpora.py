"""List the files of the corpora and check what can be checked without decoding them."""

from pathlib import Path

from pipeline.jobs import job

with job(snakemake.log[0]):
    from pipeline.config import Corpora
    from pipeline.corpora.roots import corpus_roots
    from pipeline.corpora.scan import scan_noise, scan_speech

    speech, noise, subsets = corpus_roots(
        Corpora(**snakemake.params.corpora), Path("results/corpora/demo")
    )
    scan_speech(speech, subsets, snakemake.params.num_speakers, Path(snakemake.output.speech))
    scan_noise(noise, Path(snakemake.output.noise))
