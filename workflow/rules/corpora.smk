# in:  the corpora of the config (embedded demo, folders on disk, or parts to download)
# out: results/corpora/{speech,noise}.csv, WAVs at the workflow's rate beside them
from pipeline.corpora.catalogue import (
    load_catalogue,
    noise_part,
    selection_of,
    speech_parts,
)
from pipeline.corpora.changes import look_at

CATALOGUE = load_catalogue(cfg.corpora.download.catalogue)


def corpus_sources(corpus):
    """What has to be there before the files of a corpus can be listed."""
    settings = cfg.corpora.download
    if cfg.corpora.kind == "demo":
        return ["results/corpora/demo"]
    if cfg.corpora.kind == "local":
        return []
    speech = corpus == "speech"
    parts = (
        speech_parts(settings, CATALOGUE)
        if speech
        else [noise_part(settings, CATALOGUE)]
    )
    return [f"results/corpora/download/{part.part}.csv" for part in parts]


# Each corpus on disk as it is found; jobs do not look again.
SEEN = (
    {
        corpus: look_at(
            cfg.corpora,
            corpus,
            Path(f"results/corpora/scan/{corpus}.files.csv"),
            [Path(source) for source in corpus_sources(corpus)],
        )
        for corpus in ("speech", "noise")
    }
    if workflow.is_main_process
    else {}
)
for seen in SEEN.values():
    if seen.line:
        logger.warning(seen.line)


def files_to_list(wildcards):
    return corpus_sources(wildcards.corpus)


def corpus_settings(wildcards):
    """What decides where the files of a corpus lie, and which files these are."""
    kind, corpus = cfg.corpora.kind, wildcards.corpus
    given = cfg.corpora.model_dump(mode="json", include={kind})[kind]
    unused = {"speech": {"noise"}, "noise": {"speech", "subsets"}}[corpus]
    if kind == "demo":
        unused = set()
    elif kind == "download":
        unused |= {"catalogue"}  # its rows are looked at, not its name
    found = SEEN[corpus].state if SEEN else None
    settings = {key: value for key, value in given.items() if key not in unused}
    return {"kind": kind, kind: settings, "found": found}


if cfg.corpora.kind == "download" and workflow.is_main_process:
    from pipeline.corpora.summary import download_summary

    for line in download_summary(cfg):
        logger.info(line)

# What decides the files of each part of the catalogue, and where they lie.
DOWNLOADS = {
    name: selection_of(part, cfg.corpora.download, cfg.seed)
    | {"folder": cfg.corpora.download.folder}
    | part.model_dump(include={"format", "bytes", "checksum", "unpacks_to"})
    for name, part in CATALOGUE.items()
}


# Login nodes have the network, compute nodes often do not.
localrules:
    download,


rule download:
    output:
        "results/corpora/download/{part}.csv",
    log:
        "<logs>/corpora/download_{part}.log",
    benchmark:
        "<benchmarks>/download/{part}.tsv"
    wildcard_constraints:
        part=r"[A-Za-z0-9][\w.-]*",
    conda:
        "../../envs/data.yaml"
    params:
        job=lookup(dpath="{part}", within=DOWNLOADS),
    script:
        "../scripts/download.py"


rule demo_corpus:
    output:
        directory("results/corpora/demo"),
    log:
        "<logs>/corpora/demo.log",
    benchmark:
        "<benchmarks>/demo_corpus/demo_corpus.tsv"
    conda:
        "../../envs/data.yaml"
    threads: 4
    params:
        demo=cfg.corpora.demo.model_dump(mode="json"),
        seed=cfg.seed,
    script:
        "../scripts/demo_corpus.py"


rule scan_corpora:
    input:
        files_to_list,
    output:
        scan="results/corpora/scan/{corpus}.csv",
        files="results/corpora/scan/{corpus}.files.csv",
    log:
        "<logs>/corpora/scan_{corpus}.log",
    benchmark:
        "<benchmarks>/scan_corpora/{corpus}.tsv"
    conda:
        "../../envs/data.yaml"
    params:
        corpora=corpus_settings,
    script:
        "../scripts/scan_corpora.py"


rule convert:
    input:
        "results/corpora/scan/{corpus}.csv",
    output:
        directory("results/corpora/{corpus}/{scatteritem}"),
    log:
        "<logs>/corpora/convert_{corpus}_{scatteritem}.log",
    benchmark:
        "<benchmarks>/convert/{corpus}_{scatteritem}.tsv"
    conda:
        "../../envs/data.yaml"
    params:
        sample_rate=cfg.sample_rate,
    script:
        "../scripts/convert.py"


rule gather_corpus:
    input:
        gather.shards("results/corpora/{{corpus}}/{scatteritem}"),
    output:
        "results/corpora/{corpus}.csv",
    log:
        "<logs>/corpora/gather_{corpus}.log",
    benchmark:
        "<benchmarks>/gather_corpus/{corpus}.tsv"
    conda:
        "../../envs/data.yaml"
    params:
        manifest="index.csv",
    script:
        "../scripts/gather.py"
