"""Small faults in code that affects results, and the tests that must detect them (`mutants.py`).

When code is rewritten, so are its mutants: an old text must occur in its file exactly once.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutant:
    """A change of `old` to `new` in a file, which tests must detect.

    `fault` describes one that was once not detected; it must be detected from now on.
    """

    file: str
    old: str
    new: str
    tests: tuple[str, ...]
    fault: str = ""


def of(file: str, tests: str, *changes: tuple[str, ...]) -> list[Mutant]:
    """Mutants of one file: old text, new text, and optionally a description of the fault."""
    named = tuple(f"tests/{test}" for test in tests.split())
    return [Mutant(file, old, new, named, *fault) for old, new, *fault in changes]


SCRIPTS = [
    *of(
        "workflow/scripts/apply.py",
        "inference/test_inference_scripts.py",
        (
            "str(condition),\n        one_or_none(given.denoised),",
            '"noisy",\n        None,',
            "every test condition is given noisy mixtures",
        ),
        ("str(condition),", '"noisy",'),
        ("one_or_none(denoiser),", "None,"),
        ("wildcards.scatteritem", '"1-of-1"'),
        ("TASKS[wildcards.task],", 'TASKS["separate"],'),
    ),
    *of(
        "workflow/scripts/train.py",
        "training/test_train_script.py",
        (
            "examples(task, mixtures, wanted.condition, denoised, rate)",
            'examples(task, mixtures, "noisy", None, rate)',
            "every separator is trained on noisy mixtures",
        ),
        (
            ', rendered("dev")',
            ', examples(task, one_or_none(given.dev), "noisy", None, rate)',
            "every separator is scored on dev with noisy mixtures",
        ),
        (', rendered("dev")', ', rendered("train")'),
        ('f"denoised_{split}"', '"denoised_train"'),
    ),
    *of(
        "pipeline/experiment/systems.py",
        "test_experiment.py",
        ("if denoises(s) or s.tested", "if s.tested"),
        ("return self.is_trained(model) and bool(", "return bool("),
        ("if model.task == DENOISE.name else self", "if model.task != DENOISE.name else self"),
    ),
    *of(
        "pipeline/experiment/mixtures.py",
        "test_experiment.py",
        ("needed = any(", "needed = all("),
    ),
    *of(
        "pipeline/experiment/training.py",
        "test_experiment.py",
        (
            'self._denoised(model.trained, model.run, "dev")',
            'self._denoised(NOISY, model.run, "dev")',
        ),
        (
            'self._denoised(model.trained, model.run, "train")',
            'self._denoised(model.trained, model.run, "dev")',
        ),
        (
            'rendered = ["results/mixtures/train/mixtures.csv"]',
            'rendered = ["results/mixtures/dev/mixtures.csv"]',
        ),
        ("if not self.is_trained(model):", "if False:"),
        ("else package.sums()", "else None"),
        ('del training["devices"]', "pass"),
        ('"mixtures": self._fresh(model) if dynamic else None', '"mixtures": None'),
        ('return {"dry": share} if share else {}', "return {}"),
    ),
    *of(
        "pipeline/experiment/inference.py",
        "test_experiment.py",
        ('"denoised": self._denoised(system.tested,', '"denoised": self._denoised(NOISY,'),
        ("for system in self.swept if denoises(system)", "for system in []"),
        ('for split in ("train", "dev")\n', 'for split in ("train",)\n'),
        ("if self.is_timed(wildcards) else set()", "if False else set()"),
        ("self._dry(denoiser_behind(system) or system.model)", "self._dry(system.model)"),
        ("*filter(None, [denoiser_behind(system)])", ""),
        ('return f"{system_of(wildcards).path}/{wildcards.split}" in self.timed', "return True"),
    ),
    *of(
        "pipeline/experiment/evaluation.py",
        "test_experiment.py",
        ("else self._denoised(system.tested,", "else self._denoised(NOISY,"),
        ("if measure in TASKS[system.model.task].measures", "if measure"),
        ("if system_of(wildcards) in self.preserving:", "if False:"),
        ('if name != "snr"', "if name"),
        ("[FETCHED_MODEL] if is_hub_name(asr.own_model) else []", "[]"),
    ),
    *of(
        "pipeline/tasks/grammar.py",
        "tasks/test_grammar.py",
        (
            '/{self.trained}/{self.run}"',
            '/{self.trained}/0"',
        ),
        ("int(found[2] or 0)", "0"),
        ('return f"{self.tested}{reference}"', 'return f"{self.tested}"'),
        ("self.heading)", "str(self.tested))"),
    ),
]

TRAINING = [
    *of(
        "pipeline/training/module.py",
        "training/test_train.py",
        (
            "before = self.loss.neg_si_sdr(noisy[:, None]",
            "before = self.loss.neg_si_sdr(inputs[:, None]",
            "the dev gain is over the input",
        ),
        ("(before - after).mean()", "(after - before).mean()"),
        ("self.settings.learning_rate)", "1e-3)"),
    ),
    *of(
        "pipeline/training/module.py",
        "training/test_interrupted.py",
        ("step * batch, share)", "0, share)"),
    ),
    *of(
        "pipeline/training/module.py",
        "training/test_dynamic.py",
        ("inputs = passed(front, Inputs(inputs)).estimates[:, 0]", "front(inputs)[:, 0]"),
    ),
    *of(
        "pipeline/training/train.py",
        "training/test_train.py",
        ("if settings.ema_decay:", "if False:", "no weights are averaged"),
        ("decay=settings.ema_decay", "decay=settings.ema_decay**2"),
        ("pl.seed_everything(job.seed, verbose=False)", "pl.seed_everything(0, verbose=False)"),
        ("gradient_clip_val=settings.gradient_clip", "gradient_clip_val=None"),
        ("patience=settings.stop_patience", "patience=99"),
        ("Plateau(settings.plateau_patience, monitor)", "Plateau(99, monitor)"),
        ("zip(started, starts_of(job), strict=False)", "zip([], starts_of(job), strict=False)"),
    ),
    *of(
        "pipeline/training/best.py",
        "training/test_train.py training/test_best.py",
        (
            'trainee.network.load_state_dict(by_epoch.get(int(best["epoch"]) - 1, epochs[-1][1]))',
            "pass",
        ),
        ("if not curve.monitor.gain(scores) > curve.monitor.gain(best):", "if False:"),
        (".mean(0)", ".sum(0)"),
        ('{"best": best | scores,', '{"best": best,'),
    ),
    *of(
        "pipeline/training/schedules.py",
        "training/test_schedules.py",
        ("if step > self.warmup and not self.cosine:", "if step > 0:"),
        ("return (step + 1) / warmup", "return step / warmup"),
        ("min(last, self.most or last)", "last"),
        ("if not self.skips.kept:", "if False:"),
        ("self.norms = state_dict", "_ = state_dict"),
        ("percentile(self.norms, self.percentile))", "max(self.norms))"),
        ("(place - low) * (asc", "0 * (asc"),
    ),
    *of(
        "pipeline/training/state.py",
        "training/test_state.py training/test_saving.py",
        (
            "digest.update(path.read_bytes())",
            'digest.update(b"")',
            "the hash of the code never changes",
        ),
        ("(package / folder).rglob", "(package / folder).glob"),
        ("if _read(self._ended) != _ended(facts, [now], *kept):", "if False:"),
        ("(*code, *extensions)", "code"),
        ("if programs and now != programs[-1]:", "if False:"),
    ),
    *of(
        "pipeline/mixtures/conditions.py",
        "training/test_data.py",
        ('return table["mixture_id"].map(estimates)', "return estimates.set_axis(table.index)"),
        ('{"clean": "mix_clean_path",', '{"clean": "mix_both_path",'),
    ),
    *of(
        "pipeline/training/data.py",
        "training/test_data.py",
        (
            'numbers.assign(**self.table[["mixture_id", "digest"]])',
            'numbers.assign(mixture_id=self.table["mixture_id"])',
            "the fingerprint of the data holds no audio",
        ),
        ('chosen["digest"] += table["mixture_id"].map(digests)', 'chosen["digest"] += ""'),
        (
            "input_path=condition_paths(table, condition, denoised),",
            'input_path=table["mix_both_path"],',
        ),
        ('table[f"{name}_path"] for k, name', 'table["mix_both_path"] for k, name'),
        ("default_rng([self.seed, self.epoch])", "default_rng([self.seed])"),
        ("length - samples, samples), length - samples]", "length - samples, samples)]"),
        ("audio.read_at(path, rate, start, samples)", "audio.read_at(path, rate, 0, samples)"),
    ),
    *of(
        "pipeline/losses/loss.py",
        "losses/test_loss.py",
        ("_best_order(_sum(w * each for", "_best_order(_sum(each for"),
        ("_sum(weight * parts[name]", "_sum(parts[name]"),
        ("reorder_source(estimates, order)", "reorder_source(estimates, order * 0)"),
    ),
    *of(
        "pipeline/losses/__init__.py",
        "losses/test_loss.py losses/test_spectral.py",
        ("SI_SDR_FLOOR = -30.0", "SI_SDR_FLOOR = -60.0"),
        (
            "term.build(term.arguments(**arguments), sample_rate)",
            "term.build(term.arguments(), sample_rate)",
        ),
    ),
    *of(
        "pipeline/losses/waveform.py",
        "losses/test_loss.py",
        ('("snr", zero_mean=False)', '("sdsdr", zero_mean=False)'),
        ('("snr", zero_mean=False)', '("snr")'),
        ('SingleSrcNegSDR("sisdr", zero_mean=False)', 'SingleSrcNegSDR("sisdr")'),
        ('PairwiseNegSDR("sisdr", zero_mean=False)', 'PairwiseNegSDR("sisdr")'),
    ),
    *of(
        "pipeline/losses/spectral.py",
        "losses/test_spectral.py",
        ("vector_norm(m, dim=(1, 2))", "vector_norm(m)"),
        ("error / size", "error"),
        ("* sample_rate / 1000", "* 16"),
    ),
    *of(
        "pipeline/training/saving.py",
        "training/test_saving.py",
        ("optimizer.zero_grad()", "optimizer"),
        ("get_total_norm([loss, *gradients])", "get_total_norm([loss])"),
        ("self.in_a_row += 1", "self.in_a_row = 1"),
    ),
    *of(
        "pipeline/training/callbacks.py",
        "training/test_train.py",
        ("self.loss_sum / self.steps", "self.loss_sum"),
        ("trainer.global_step >= self.steps", "trainer.global_step > self.steps"),
    ),
    *of(
        "pipeline/training/samples.py",
        "training/test_train.py",
        ("if score > self.best:", "if score < self.best or self.best < -1e9:"),
    ),
    *of(
        "pipeline/training/dynamic.py",
        "training/test_dynamic.py",
        ('name = "mix_clean" if condition == "clean" else "mix_both"', 'name = "mix_both"'),
        ("[self.seed, DRAWS, *key]", "[self.seed, DRAWS, key[1]]"),
        ('load_pool(speech, noise, "train"', 'load_pool(speech, noise, "dev"'),
    ),
]

INFERENCE = [
    *of(
        "pipeline/inference/loop.py",
        "inference/test_timing.py inference/test_loop.py",
        (
            "joined - started.began",
            "joined - started.began + started.read.seconds",
            "latency includes reading",
        ),
        ("written - joined)", "written - started.began)"),
        ("if padded else None", "if False else None"),
        ("if not all(np.isfinite", "if False and all(np.isfinite"),
    ),
    *of(
        "pipeline/inference/apply.py",
        "inference/test_timing.py inference/test_shards.py",
        ("loop.warm_up(groups[0], setting.inference.warmup)", "pass", "nothing is warmed up"),
        ("if model.exact_padding:", "if True:"),
        ("        if self.timed:\n            return 1\n", ""),
    ),
    *of(
        "pipeline/inference/run.py",
        "inference/test_timing.py inference/test_shards.py",
        ("p.latency, p.read, p.write)", "p.latency + p.write, p.read, p.write)"),
        ("condition_paths(table, condition, denoised)", 'table["mix_both_path"]'),
        (
            'shard["mixture_id"].map(applied.digests)',
            "list(applied.digests.values())[::-1]",
        ),
        ("inputs[shard.index]", "inputs[: len(shard)]"),
        ("for p in one.pieces if p.last)", "for p in one.pieces)"),
        ('sums["latency"] / seconds', 'sums["latency"] * seconds'),
    ),
    *of(
        "pipeline/inference/chunks.py",
        "inference/test_chunks.py",
        (
            "before * (1 - ramp) + piece[:, :shared] * ramp",
            "before * ramp + piece[:, :shared] * ramp",
        ),
        ("piece = piece[same_order(before, piece[:, :shared])]", "piece = piece.copy()"),
        ("longest - overlap), end]", "longest), end]"),
    ),
    *of(
        "pipeline/inference/latency.py",
        "inference/test_latency.py",
        ("values.quantile(0.95)", "values.quantile(0.9)"),
        ('p50_ms=("latency_ms", "median")', 'p50_ms=("latency_ms", "mean")'),
        (
            '(table["audio_seconds"] / table["wall_seconds"])',
            '(table["audio_seconds"] / table["busy_seconds"])',
        ),
    ),
]

EVALUATION = [
    *of(
        "pipeline/evaluation/metrics.py",
        "evaluation/test_metrics.py",
        ("maximize=True)[1]", "maximize=False)[1]"),
        (
            "centred = signals - signals.mean(axis=-1, keepdims=True, dtype=np.float64)",
            "centred = signals.astype(np.float64)",
        ),
        ("_decibels(own / every)", "_decibels(own)"),
        ('{8000: "nb", 16000: "wb"}', '{8000: "nb", 16000: "nb"}'),
    ),
    *of(
        "pipeline/evaluation/bss_eval.py",
        "evaluation/test_bss_eval.py evaluation/test_metrics.py",
        ("explained = explained + length * left", "explained = explained + left"),
        ("FILTER_TAPS = 512", "FILTER_TAPS = 256"),
    ),
    *of(
        "pipeline/evaluation/word_errors.py",
        "evaluation/test_word_errors.py",
        ("places = max(len(said), len(found))", "places = len(said)"),
        ("errors[linear_sum_assignment(errors)].sum()", "errors.trace()"),
        ("words = sum(map(len, said))", "words = sum(map(len, found))"),
    ),
    *of(
        "pipeline/evaluation/measures.py",
        "evaluation/test_speech_recognition.py",
        (
            "list(streams.values()))",
            "[streams[file] for file in item.files])",
        ),
        ("mixed = item.sources == [ALL_SPEAKERS]", "mixed = False"),
        ('return "" if samples is None else recognise(samples)', "return recognise(file)"),
    ),
    *of(
        "pipeline/evaluation/speech_recognition.py",
        "evaluation/test_speech_recognition.py",
        ('"vad_filter": True', '"vad_filter": False'),
        ("segment.compression_ratio > LOOPING", "segment.compression_ratio < 0"),
        ("    check_folder(Path(model))\n", ""),
    ),
    *of(
        "pipeline/models/whisper.py",
        "models/test_whisper.py test_experiment.py",
        ("if found != SUMS[name]:", "if not found:"),
        ("if packaged and not TINY_EN.missing:", "if False:"),
        (
            "{name: sum_of(path) for name, path in files_of(folder)}",
            "{name: path.name for name, path in files_of(folder)}",
        ),
    ),
    *of(
        "pipeline/evaluation/bootstrap.py",
        "evaluation/test_bootstrap.py evaluation/test_aggregate.py",
        ("tail = (1 - confidence) / 2", "tail = 1 - confidence"),
        ("known = (values.count() > 1)", "known = (values.count() > 0)"),
    ),
    *of(
        "pipeline/evaluation/aggregate.py",
        "evaluation/test_aggregate.py",
        ('joined["value"] -= joined["baseline"]', 'joined["value"] += joined["baseline"]'),
        ("a.mean(), mean_b=b.mean()", "b.mean(), mean_b=a.mean()"),
        ("both = a.notna() & b.notna()", "both = a.notna()"),
        ("better = difference < 0 if", "better = difference > 0 if"),
    ),
    *of(
        "pipeline/evaluation/answer.py",
        "evaluation/test_answer.py",
        ('"sentence": CAUTION}] if once', '"sentence": CAUTION}] if not once'),
    ),
    *of(
        "pipeline/evaluation/best_system.py",
        "evaluation/test_answer.py",
        ('if input_of(row["tested"]) != CLEAN]', "]"),
        ('and r["name"] not in NO_NETWORKS', ""),
    ),
    *of(
        "pipeline/evaluation/answer.py",
        "evaluation/test_answer.py",
        ("elif denoised_after(tested):", "elif False:"),
        ("and given.denoiser and not given.dry:", ":"),
    ),
    *of(
        "pipeline/evaluation/words.py",
        "evaluation/test_answer.py evaluation/test_words.py",
        ('"higher" if fact["difference"] > 0', '"higher" if fact["difference"] < 0'),
        ("if len(alike) > MOST else alike", "if len(alike) > 99 else alike"),
        ('"rival", "trained_a"', '"trained_a"'),
        ('"trainings", "verdict")', '"trainings")'),
        ("if comparisons > 1 and", "if comparisons > 0 and"),
    ),
    *of(
        "pipeline/evaluation/systems.py",
        "evaluation/test_systems.py",
        ("one[1] == other[1] or ", ""),
        (" or one[2:] == other[2:]", ""),
        ("yield other, one", "yield one, other"),
        ("str(replace(input_of(tested), dry=0)), str(CLEAN)", "tested, str(CLEAN)"),
        ("replace(system.tested, dry=0) != NOISY", "replace(system.tested, dry=0)"),
    ),
    *of(
        "pipeline/models/denoised_after.py",
        "models/test_denoised_after.py",
        ("sources = scaled_to(mixture, separated)", "sources = separated"),
        ("return found * along / torch", "return found * along.abs() / torch"),
        ("found = found / torch.where(loudest > 0, loudest, 1)", "pass"),
        ("torch.where(power > 0, power, 1)", "power"),
    ),
    *of(
        "pipeline/inference/oracle.py",
        "inference/test_oracle.py",
        ("0.032, 0.008", "0.032, 0.016"),
        ("magnitudes = spectra[:-1].abs()", "magnitudes = spectra[:-1].abs().square()"),
        ('for name in (*names, "noise", "mix_both")', 'for name in (*names, "mix_both")'),
    ),
    *of(
        "pipeline/inference/estimator.py",
        "inference/test_after.py",
        (
            "_blended(load_network(denoiser, 1, sample_rate), dry)",
            "load_network(denoiser, 1, sample_rate)",
        ),
        ("return _opened(DenoisedAfter(network, behind), device", "return _opened(network, device"),
    ),
    *of(
        "pipeline/report/systems.py",
        "report/test_report_names.py",
        ("return path == MASKED if parts is None", "return False if parts is None"),
        ("str(replace(systems.input_of(self.tested), dry=0))", "self.tested"),
    ),
    *of(
        "pipeline/report/sections/latency.py",
        "report/test_latency_section.py",
        ("return times[~behind]", "return times"),
    ),
    *of(
        "pipeline/models/blended.py",
        "models/test_blended.py",
        ("mixture[:, None].float(), self.share)", "mixture[:, None].float(), 1 - self.share)"),
        ("found.estimates.float()", "found.estimates"),
    ),
    *of(
        "pipeline/evaluation/error_parts.py",
        "evaluation/test_metrics.py",
        ("for _ in range(2):", "for _ in range(0):"),
        ("[found[0], found[1:-1].sum(), found[-1]]", "[found[0], found[1:].sum(), found[-1]]"),
        ("if size > DEPENDENT:", "if size > 0:"),
    ),
    *of(
        "pipeline/evaluation/costs.py",
        "evaluation/test_costs.py",
        ("own = 3 * _fact", "own = _fact"),
        ("return own + sum(frozen)", "return own"),
        ("SIZE, COMPUTE = 0.05, 0.03", "SIZE, COMPUTE = 0.03, 0.05"),
        ("own.get(SOURCES, np.nan) - 1", "own.get(SOURCES, np.nan)"),
        ("*([behind] if behind else [])", ""),
    ),
    *of(
        "pipeline/training/joint.py",
        "training/test_joint.py",
        ("if dot < 0 else own", "if dot < -1e9 else own"),
        ("one - (one * other)", "one + (one * other)"),
        ("return together < 0", "return together > 0"),
    ),
    *of(
        "pipeline/training/module.py",
        "training/test_joint.py training/test_train.py",
        ("float(self.settings.inner_weight or 0) * parts", "parts"),
        ("(noise, inputs - targets.sum(1))", "(noise, inputs)"),
    ),
    *of(
        "pipeline/models/chain/__init__.py",
        "models/test_chain.py",
        ("return sum(known) if len(known) == len(each) else None", "return sum(known)"),
    ),
    *of(
        "pipeline/models/with_noise.py",
        "models/test_with_noise.py",
        ("missing[:, None] / signals.shape[1]", "missing[:, None] / 2"),
        ("noise=signals[:, -1]", "noise=signals[:, 0]"),
    ),
    *of(
        "pipeline/losses/loss.py",
        "training/test_train.py",
        ("(sources * value + last[name].mean()) / (sources + 1)", "value"),
    ),
    *of(
        "pipeline/evaluation/answer.py",
        "evaluation/test_answer.py",
        ('1 - pair["win_rate"]', 'pair["win_rate"]'),
        ('yield {"kind": "joint"} | words | reversed_pair(pair)', "pass"),
    ),
    *of(
        "pipeline/evaluation/rivals.py",
        "evaluation/test_answer.py",
        ('& ~levels("name").isin(self.joint)', ""),
    ),
    *of(
        "pipeline/evaluation/rivals.py",
        "evaluation/test_rivals.py",
        ("* (1 - COMPUTE) <= cascade", "* 1.001 <= cascade"),
        ("sort_values(ascending=False)", "sort_values(ascending=True)"),
    ),
    *of(
        "pipeline/evaluation/answer.py",
        "evaluation/test_repeats.py",
        ('return "helps" if fact["difference"] > 0', 'return "helps" if fact["difference"] < 0'),
        ('fact.get("p_value_adjusted", 1) < level', 'fact["p_value"] < level'),
    ),
    *of(
        "pipeline/evaluation/trainings.py",
        "evaluation/test_trainings.py",
        ("means.var(ddof=1) / runs", "means.var(ddof=1) / runs**2"),
        ("variance = of_trainings + of_items", "variance = of_trainings"),
        ("variance = of_trainings + of_items", "variance = of_items + of_trainings * 0"),
        ("if runs > 2 else 1.0", "if runs > 1 else 1.0"),
        ("(abs(mean) - margin) / error", "(margin - abs(mean)) / error"),
        ("max(speakers + noises - pairs, speakers, noises)", "pairs"),
        ("np.maximum.accumulate(", "("),
    ),
    *of(
        "pipeline/evaluation/repeats.py",
        "evaluation/test_repeats.py",
        ("known = values.dropna(axis=1)", "known = values.iloc[:1]"),
        ("(runs == ALL) | ~several", "(runs != ALL) | ~several"),
        ("found, known = estimate(one - other,", "found, known = estimate(other - one,"),
    ),
    *of(
        "pipeline/evaluation/dry.py",
        "evaluation/test_dry.py",
        ("dict(_by_share(dev))", "dict(_by_share(test))"),
        ("values - shares[0.0]", "values"),
        ("best = max(means", "best = min(means"),
        ("items.dropna()", "items"),
        ("if len(values) > 1:", "if False:"),
        ('& (chosen["dry"] > 0)', ""),
        ('["task"] != DENOISE.name, [*ARM', '["task"] != "", [*ARM'),
    ),
    *of(
        "pipeline/evaluation/best_denoiser.py",
        "evaluation/test_best_denoiser.py",
        ('> 0, -row["mean"])', '> 0, row["mean"])'),
        ('(row["missing"] > 0, ', "(False, "),
        ("forward or backward or {}", "forward or {}"),
        ("in (values[0], values[2], values[1])", "in values"),
        ('"shown": above and p_value', '"shown": p_value'),
        ("and p_value < level", "and 0 < p_value < level"),
        ('holm([pair["p_value"] for pair in known])', '[pair["p_value"] for pair in known]'),
        ('row["name"] != UNPROCESSED', "True"),
    ),
    *of(
        "pipeline/models/starts.py",
        "models/test_starts.py",
        ("    if not entry_of(network.model).trained:", "    if False:"),
        ("and not ours and not Path(source).is_file()", "and not Path(source).is_file()"),
        ("network.model != other.model or mine != its", "mine != its"),
        ("if model in path[:-1]:", "if len(path) > 9:"),
        ("(*starts_of(config, model), *before)", "starts_of(config, model)"),
        ("if part.noise_output != network.noise_output:", "if False:"),
        ("reference.name, trained, run)", "reference.name, trained, 0)"),
        ("network.model != CHAIN and entry_of(network.model).trained\n", "True\n"),
    ),
    *of(
        "pipeline/inference/sweep.py",
        "inference/test_sweep.py",
        ("denoised.lerp(mixture, share)", "mixture.lerp(denoised, share)"),
        ("if permuted:", "if not permuted:"),
        ("(si_sdr(sources, found) - before)", "si_sdr(sources, found)"),
        ("shard = shard_of(table, scatteritem)", "shard = table"),
    ),
    *of(
        "pipeline/evaluation/score.py",
        "evaluation/test_score.py",
        ("estimates, files = estimates[order],", "estimates, files = estimates,"),
        ("if permuted:", "if not permuted:"),
        ('[mixture["mix_both_path"]] * len', '[mixture["mix_clean_path"]] * len'),
    ),
    *of(
        "pipeline/evaluation/intelligibility.py",
        "evaluation/test_intelligibility.py",
        ("_normal(_normal(signal), 0)", "_normal(signal)"),
        ("levels.max() - DYN_RANGE", "levels.max() - 2 * DYN_RANGE"),
    ),
]

MIXTURES = [
    *of(
        "pipeline/mixtures/draw.py",
        "mixtures/test_plan.py",
        ('pool.voices["speaker"][bounds[k]] not in taken', "True"),
        ("rng.random() < settings.babble", "rng.random() > settings.babble"),
        ("if settings.babble and", "if"),
    ),
    *of(
        "pipeline/mixtures/pool.py",
        "mixtures/test_plan.py",
        ('speech = _read(utterances, "train")', 'speech = _read(utterances, "test")'),
    ),
    *of(
        "pipeline/mixtures/augment.py",
        "mixtures/test_augment.py",
        ("if value and rng.random() < settings.chance", "if value"),
        ("return both * _ratio(noise, both)", "return both"),
        ("delayed[start:] = source[: length - start]", "delayed[:] = source"),
        ("response[:end])[direct : direct + length]", "response)[direct : direct + length]"),
        ("early[k] *= gain", "early[k] *= 1"),
        ("LATE * max(allowed", "max(allowed"),
        ("while not missed(0, limit) > 0 > missed(largest, limit):", "while False:"),
        ("return (given - bandpass", "return (bandpass"),
    ),
    *of(
        "pipeline/mixtures/render.py",
        "mixtures/test_render.py",
        ("power(sources).max()", "power(sources).min()"),
        ("(snr(sources, noise) - wanted) / 20", "(snr(sources, noise) - wanted) / 10"),
        ("scale = peak / max(loudest, peak)", "scale = peak / loudest"),
        ('digest_of("".join(written).encode())', 'digest_of(b"")'),
        ("np.roll(period, -start)", "np.roll(period, start)"),
        (
            "parts = [part for path in paths for part in (pause,",
            "parts = [part for path in paths for part in (pause[1:],",
        ),
    ),
    *of(
        "pipeline/mixtures/stretch.py",
        "mixtures/test_stretch.py",
        ("return int(loud[np.searchsorted(loud, start) % len(loud)])", "return start"),
        ("if power(stretch) >= NEARLY_SILENT * level:", "if True:"),
    ),
    *of(
        "pipeline/mixtures/draw.py",
        "mixtures/test_plan.py training/test_dynamic.py",
        (
            'change = rng.uniform(*settings.speech_lufs) - talk["lufs"]',
            'change = rng.uniform(*settings.speech_lufs) + talk["lufs"]',
        ),
        ("settings.most_speakers, replace=False)", "settings.most_speakers, replace=True)"),
        ('min(lengths) if settings.mode == "min"', 'min(lengths) if settings.mode == "max"'),
        ('if split == "train" else [1.0]', 'if split != "test" else [1.0]'),
        ("return rng.uniform(*settings.noise_snr)", "return settings.noise_snr[0]"),
    ),
    *of(
        "pipeline/mixtures/plan.py",
        "mixtures/test_plan.py",
        ("[seed, SPLITS.index(split), i]", "[seed, i]"),
        ("ways[k] += ways[k - 1] * size", "ways[k] += ways[k - 1]"),
    ),
    *of(
        "pipeline/mixtures/facts.py",
        "mixtures/test_facts.py",
        ("(speaking > 1).sum()", "(speaking > 0).sum()"),
        ("snrs(products[:-1, :-1])", "snrs(products)"),
    ),
    *of(
        "pipeline/mixtures/librimix.py",
        "mixtures/test_librimix.py",
        ('samples.min(axis=0) if mode == "min"', 'samples.max(axis=0) if mode == "min"'),
        (
            '_noise(row, min(needed, longest), longest) * float(row["noise_gain"])',
            "_noise(row, min(needed, longest), longest)",
        ),
    ),
    *of(
        "pipeline/mixtures/metadata.py",
        "mixtures/test_metadata.py",
        ('table[f"source_{k}_gain"] * table["scale"]', 'table[f"source_{k}_gain"]'),
        ("(RATE // start_rate)", "1"),
    ),
]

FILES = [
    *of(
        "pipeline/audio/files.py",
        "audio/test_audio.py",
        ("np.rint(samples", "np.trunc(samples", "steps of 16 bit are cut, not rounded"),
        ("part[:, 0]", "part[:, -1]"),
        ("return digest_of(encoded.getbuffer())", 'return digest_of(b"")'),
        ("if not np.isfinite(first).all():", "if False:"),
    ),
    *of(
        "pipeline/audio/levels.py",
        "audio/test_levels.py",
        ("np.maximum(whole - constant, 0), whole)", "whole, whole)"),
        ("if abs(mean) <= limit and", "if abs(mean) <= limit or"),
    ),
    *of(
        "pipeline/corpora/convert.py",
        "corpora/test_convert.py",
        ("mean - samples.min()) < SILENCE)", "mean - samples.min()) <= 0)"),
        ("    if peak > 1:  #", "    if False:  #"),
        ("10 * np.log10(power(samples))", "20 * np.log10(power(samples))"),
    ),
    *of(
        "pipeline/base/files.py",
        "base/test_files.py",
        ("items * (shard + 1) // shards", "items * (shard + 1) // shards - 1"),
        ("keep_default_na=False", "keep_default_na=True"),
        ("items * shard // shards, items", "-(-items * shard // shards), items"),
    ),
    *of(
        "pipeline/base/receipts.py",
        "base/test_receipts.py",
        ("while found := _made_of", "if found := _made_of", "staleness goes one step only"),
        ("if held < expected:", "if 2 * held < expected:"),
        ("again = unfinished | _outdated(receipts)", "again = unfinished"),
        ("union(*map(_unfinished, receipts))", "union()"),
        ('and ".." not in Path(name).parts', ""),
        ("one.stat().st_mtime > other.stat().st_mtime", "True"),
        ("content = {name: path.stat().st_size", "content = {name: 0"),
    ),
    *of(
        "pipeline/base/recovery.py",
        "base/test_recovery.py",
        ("for run in others if not was_killed(run)]:", "for run in others if False]:"),
        ("() if asks else", "() if False else"),
        ("if not is_inside(output)]:", "if False]:"),
    ),
    *of(
        "pipeline/base/live.py",
        "base/test_live.py",
        ('return noted["local"] and _is_gone(noted)', "return _is_gone(noted)"),
        ('or noted["namespace"] != here["namespace"]', ""),
        ("return abs(process.create_time() - began) <= SECONDS_APART or", "return"),
    ),
    *of(
        "pipeline/audio/containers.py",
        "audio/test_containers.py",
        ("sound.held >= sound.claimed or", "2 * sound.held >= sound.claimed or"),
        ('b"FORM": Chunks(12, ">4sI", b"SSND", before=8)', 'b"FORM": Chunks(12, ">4sI", b"SSND")'),
        ("page[5] & OGG_LAST", "OGG_LAST"),
    ),
]

MODELS = [
    *of(
        "pipeline/models/conv_tasnet/network.py",
        "models/test_conv_tasnet.py",
        ("reach if a.causal else reach - reach // 2", "reach - reach // 2"),
        ("(variance + EPSILON).rsqrt()", "variance.sqrt()"),
        ("residual = residual + more\n        if not", "residual = residual\n        if not"),
        ("frames = frames * valid", "frames = frames"),
    ),
    *of(
        "pipeline/models/conv_tasnet/network.py",
        "models/test_backward.py",
        ("residual = residual + more\n            if skip", "residual = more\n            if skip"),
        ("skip if skips is None else skips + skip\n        activate", "skip\n        activate"),
        ("slope.item() > 0 for slope", "slope.item() > -9 for slope"),
        ("not self.bottleneck[0].local and all(", "all("),
    ),
    *of(
        "pipeline/models/conv_tasnet/backward.py",
        "models/test_backward.py",
        ("by_scale * mean - by_mean", "by_scale * mean + by_mean"),
        ("return total - outside.sum(0)", "return total"),
        ("if 0 <= at.start + o < frames", "if 0 <= at.start + o"),
        ("(given.taps * norm.scaled).flip(0)", "given.taps * norm.scaled"),
        ("scale * (second - mean * first)", "scale * second"),
        ("torch.outer(of_outputs, norm_again.constant)", "0"),
        ("products * norm.scaled + inside * norm.constant", "products * norm.scaled"),
    ),
    *of(
        "pipeline/weights/__init__.py",
        "weights/test_pretrained.py",
        ("not path.is_file() or sha256(path) != shipped()[name]", "not path.is_file()"),
        ("        path /= FILE\n", "        pass\n"),
    ),
    *of(
        "pipeline/report/shipping.py",
        "report/test_shipping.py",
        ("if System.parse(system) in _alone(model)", "if True"),
        ('card.training | {"licences": licences}', "card.training"),
        ("if not _same(load_file(source), load_file(other))", "if False"),
        ("shipped(folder) | {name", "{name"),
    ),
    *of(
        "pipeline/training/dynamic.py",
        "training/test_dynamic.py",
        ("settings.most_speakers, endpoint=True", "settings.most_speakers"),
        ("signals.get(name, silence)", "signals.get(name, signals['s1'])"),
        ("settings, rate, row = self._settings(key)", "settings, rate, row = self.fresh.settings"),
    ),
    *of(
        "pipeline/models/devices.py",
        "models/test_devices.py",
        ('precision == "bf16" and not supports_bf16(device)', "not supports_bf16(device)"),
    ),
    *of(
        "pipeline/training/train.py",
        "training/test_train.py training/test_published.py",
        ("precision_on(device, settings.precision)", '"fp32"'),
        ("    if entry.file:\n", "    if False:\n"),
    ),
    *of(
        "pipeline/models/conv_tasnet/tiled.py",
        "models/test_conv_tasnet.py",
        ("self.narrow_bias - self.narrow_sum * (mean * scale)", "self.narrow_bias"),
        ("bias = self.depth_bias + added.sum(0)", "bias = self.depth_bias"),
    ),
    *of(
        "pipeline/models/conv_tasnet/streaming.py",
        "models/test_streaming.py",
        ("signals[:, : self.tail.shape[1]] += self.tail", "self.tail"),
        ("(-self.length) % step)", "0)"),
    ),
    *of(
        "pipeline/models/weights.py",
        "models/test_weights.py",
        ("if card.sample_rate != sample_rate:", "if False:"),
        ("    _check_arguments(source, found, wanted)\n", ""),
        ("if n not in differing}", "if n in own}"),
        ("return network.eval()", "return network.train()"),
    ),
    *of(
        "pipeline/models/conv_tasnet/__init__.py",
        "models/test_registry.py models/test_conv_tasnet.py",
        ("(a.P - 1) * 2**x // 2", "(a.P - 1) * 2**x"),
    ),
    *of(
        "pipeline/models/demucs/network.py",
        "models/test_demucs.py",
        ("correction=min(1, time - 1)", "correction=0"),
        ("signals + skip[..., : signals.shape[-1]]", "signals"),
        ("(layer.weight.std() / reference).sqrt()", "layer.weight.std() / reference"),
        (".clamp(min=SMALLEST)", ""),
    ),
    *of(
        "pipeline/models/demucs/__init__.py",
        "models/test_demucs.py",
        ("last = (last - 1) // 2 + ZEROS", "last = last // 2 + ZEROS"),
        ("(a.resample - 1) * (2 * ZEROS - 1)", "(a.resample - 1) * (2 * ZEROS)"),
    ),
    *of(
        "pipeline/models/demucs/sinc.py",
        "models/test_demucs.py",
        (
            "_between(odd, halfway, (ZEROS, ZEROS - 1))",
            "_between(odd, halfway, (ZEROS - 1, ZEROS))",
        ),
    ),
    *of(
        "pipeline/models/demucs/streaming.py",
        "models/test_demucs_streaming.py",
        ("signals[:, : self.tail.shape[1]] += self.tail", "self.tail"),
        ("self.ahead = even.shape[1] - odd.shape[1]", "self.ahead = 0"),
        ("self.count += len(samples)", "pass"),
    ),
    *of(
        "pipeline/models/demucs/published.py",
        "models/test_demucs_published.py",
        ("outputs == 2 * hidden", "True"),
        ('if not given.pop("normalize"):', 'if given.pop("normalize") is None:'),
    ),
    *of(
        "pipeline/models/wave_u_net/network.py",
        "models/test_wave_u_net.py",
        ("features = skips[-1][..., ::2]", "features = skips[-1][..., 1::2]"),
        ("features * valid[..., :: 2**level]", "features"),
        ("lengths + whole - 1", "lengths"),
    ),
    *of(
        "pipeline/models/gatewave/network.py",
        "models/test_gatewave.py",
        ("level(signals + skip)", "level(signals)"),
        (" * self.gates(frames).sigmoid()", " * self.gates(frames)"),
        ("correction=0", "correction=1"),
    ),
    *of(
        "pipeline/models/cost.py",
        "models/test_cost.py",
        ("1 - layer.batch_first", "0"),
        ("if weight.ndim == 2", ""),
    ),
]

MUTANTS = [*SCRIPTS, *TRAINING, *INFERENCE, *EVALUATION, *MIXTURES, *FILES, *MODELS]
