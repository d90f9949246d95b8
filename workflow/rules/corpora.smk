# in:  the corpora of the config (embedded demo, folders on disk, or parts to download)
# out: results/corpora/{speech,noise}.csv, WAVs at the workflow's rate beside them
from pipeline.corpora.catalogue import load_catalogue, selection_of
from pipeline.corpora.changes import Seen, look_at
from pipeline.corpora.sources import scan_settings, sources_of

CORPORA = ("speech", "noise")
SOURCES = {corpus: sources_of(cfg, corpus) for corpus in CORPORA}
# The state of each corpus on disk at the start; jobs do not check it again.
SEEN = {}
if workflow.is_main_process:
    for corpus in CORPORA:
        try:
            SEEN[corpus] = look_at(
                cfg.corpora,
                corpus,
                Path(f"results/corpora/scan/{corpus}.files.csv"),
                [Path(source) for source in SOURCES[corpus]],
            )
        except (OSError, PipelineError) as error:
            if not only_asks(parsed(sys.argv[1:])):
                sys.exit(f"error: {cause_of(error) or error}")
            SEEN[corpus] = Seen("", str(error))
        if SEEN[corpus].line:
            logger.warning(SEEN[corpus].line)
SCANS = {
    corpus: scan_settings(cfg, corpus, SEEN[corpus].state if SEEN else None)
    for corpus in CORPORA
}

if cfg.corpora.kind == "download" and workflow.is_main_process:
    from pipeline.corpora.summary import download_summary

    for line in download_summary(cfg, experiment.rendered, experiment.estimates):
        logger.info(line)

# The settings that determine the files of each part of the catalogue, and their folder.
DOWNLOADS = {
    name: selection_of(part, cfg.corpora.download, cfg.seed)
    | {"folder": cfg.corpora.download.folder}
    | part.model_dump(include={"format", "bytes", "checksum", "unpacks_to"})
    for name, part in load_catalogue(cfg.corpora.download.catalogue).items()
}


# Login nodes have network access, compute nodes often do not.
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
        lookup(dpath="{corpus}", within=SOURCES),
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
        scan=lookup(dpath="{corpus}", within=SCANS),
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
