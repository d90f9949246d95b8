# in:  the corpora of the config (embedded demo, or folders on disk)
# out: results/corpora/{speech,noise}.csv, WAVs at the workflow's rate beside them


rule demo_corpus:
    output:
        directory("results/corpora/demo"),
    log:
        "<logs>/corpora/demo.log",
    benchmark:
        "<benchmarks>/corpora/demo.tsv"
    conda:
        "../../envs/data.yaml"
    threads: workflow.cores
    params:
        demo=cfg.corpora.demo.model_dump(mode="json"),
        seed=cfg.seed,
    script:
        "../scripts/demo_corpus.py"


rule scan_corpora:
    input:
        "results/corpora/demo" if cfg.corpora.kind == "demo" else [],
    output:
        speech="results/corpora/scan/speech.csv",
        noise="results/corpora/scan/noise.csv",
    log:
        "<logs>/corpora/scan.log",
    benchmark:
        "<benchmarks>/corpora/scan.tsv"
    conda:
        "../../envs/data.yaml"
    params:
        corpora=cfg.corpora.model_dump(mode="json"),
        num_speakers=cfg.mixtures.num_speakers,
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
        "<benchmarks>/corpora/convert_{corpus}_{scatteritem}.tsv"
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
        "<benchmarks>/corpora/gather_{corpus}.tsv"
    conda:
        "../../envs/data.yaml"
    params:
        manifest="index.csv",
    script:
        "../scripts/gather.py"
