# in:  the corpora of the config (embedded demo, folders on disk, or parts to download)
# out: results/corpora/{speech,noise}.csv, WAVs at the workflow's rate beside them
from pipeline.corpora.catalogue import load_catalogue, parts_in_use, selection_of

# What has to be there before the files of the corpora can be listed.
CORPUS_SOURCES = {
    "demo": ["results/corpora/demo"],
    "local": [],
    "download": [f"results/corpora/download/{part}.csv" for part in parts_in_use(cfg)],
}[cfg.corpora.kind]

if cfg.corpora.kind == "download" and workflow.is_main_process:
    from pipeline.corpora.summary import download_summary

    for line in download_summary(cfg):
        logger.info(line)

# What decides the files of each part of the catalogue, and where they lie.
DOWNLOADS = {
    name: selection_of(part, cfg.corpora.download, cfg.seed)
    | {"folder": cfg.corpora.download.folder}
    | part.model_dump(include={"format", "bytes", "checksum", "unpacks_to"})
    for name, part in load_catalogue(cfg.corpora.download.catalogue).items()
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
        CORPUS_SOURCES,
    output:
        speech="results/corpora/scan/speech.csv",
        noise="results/corpora/scan/noise.csv",
    log:
        "<logs>/corpora/scan.log",
    benchmark:
        "<benchmarks>/scan_corpora/scan_corpora.tsv"
    conda:
        "../../envs/data.yaml"
    params:
        corpora=cfg.corpora.model_dump(mode="json", include={"kind", cfg.corpora.kind}),
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
