"""docs/weights.md holds the figures of the cards of the networks that ship."""

import importlib.util

from workspace import ROOT

from pipeline.weights import shipped

spec = importlib.util.spec_from_file_location("weights_page", ROOT / "docs/weights.py")
assert spec is not None and spec.loader is not None
page = importlib.util.module_from_spec(spec)
spec.loader.exec_module(page)


def test_the_page_is_that_of_the_cards():
    text = page.PAGE.read_text(encoding="utf-8")
    assert text.count(page.MARK) == 1
    assert text.endswith(page.MARK + page.figures())
    assert all(f"### `{name}`" in text for name in shipped())


def test_a_clean_input_has_no_gain_over_the_noisy_mixture():
    means = {"si_sdri": [5.0, 4.0, 6.0], "si_sdr": [3.0, 2.0, 4.0], "stoi": [0.8, 0.7, 0.9]}
    before = {"si_sdri": [0.0, 0.0, 0.0], "si_sdr": [-2.0, -3.0, -1.0], "stoi": [0.6, 0.5, 0.7]}
    test = {"speakers": 2, "mixtures": 9, "metric": "si_sdri", "means": means, "mixture": before}
    [_, _, noisy, clean] = page.tests([test | {"tested": "noisy"}, test | {"tested": "clean"}])
    assert noisy == (
        "| 2 | noisy | 9 | 5.00 (4.00 to 6.00) | 3.00 (2.00 to 4.00) [−2.00]"
        " | 0.800 (0.700 to 0.900) [0.600] |"
    )
    assert clean == ("| 2 | without noise | 9 | – | 3.00 (2.00 to 4.00) | 0.800 (0.700 to 0.900) |")
    assert page.groups(test | {"tested": "clean"}) == []
