"""Forbidden calls: those that run code from a file, or pass text to a shell."""

import ast
import re

import pytest
from workspace import ROOT

FOLDERS = ("pipeline", "workflow", "tests", "benchmarks", "docs", "envs")
SOURCES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
RULES = [ROOT / "Snakefile", *sorted((ROOT / "workflow").rglob("*.smk"))]
FORBIDDEN = {"eval", "exec", "os.system", "os.popen", "yaml.load", "yaml.unsafe_load"}
FORBIDDEN |= {"yaml.full_load", "marshal.load", "marshal.loads", "shelve.open", "joblib.load"}
FORBIDDEN |= {"pickle.load", "pickle.loads", "pickle.Unpickler", "pd.read_pickle", "torch.hub.load"}
# Options that a call must have, by its name or by another of its options; and forbidden options.
NEEDED = {"torch.load": "weights_only", "ckpt_path": "weights_only"}
BANNED = ("shell", "allow_pickle")


def offences(code: str):
    """Lines with a forbidden call, and the reason."""
    for call in (node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call)):
        name = ast.unparse(call.func)
        options = {
            k.arg: isinstance(k.value, ast.Constant) and k.value.value for k in call.keywords
        }
        if name in FORBIDDEN:
            yield call.lineno, name
        for trigger, option in NEEDED.items():
            if (name == trigger or trigger in options) and options.get(option) is not True:
                yield call.lineno, f"{name} without {option}=True"
        yield from ((call.lineno, f"{name} with {o}") for o in BANNED if options.get(o, False))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_code_out_of_files(path):
    assert list(offences(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.name)
def test_no_rule_gives_names_to_a_shell(path):
    assert not re.search(r"^\s*(shell|run):", path.read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.parametrize(
    "code",
    [
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "trainer.fit(model, ckpt_path=path)",
        "pickle.loads(content)",
        "subprocess.run(command, shell=True)",
        "np.load(path, allow_pickle=True)",
        "yaml.load(text, Loader)",
    ],
)
def test_forbidden_calls_are_detected(code):
    assert list(offences(code))
