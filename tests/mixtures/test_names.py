import pandas as pd
import pytest

from pipeline.mixtures.names import source_names


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5])
def test_sources_are_named_in_every_table(count):
    names = [f"s{k}" for k in range(1, count + 1)]
    planned = pd.DataFrame(columns=[f"source_{k}_path" for k in range(1, count + 1)])
    assert source_names(planned) == names
    index = [*planned, "noise_path", "mix_both_path", *(f"{n}_path" for n in names)]
    assert source_names(index) == names
    estimates = pd.DataFrame(columns=["mixture_id", *(f"{n}_path" for n in reversed(names))])
    assert source_names(estimates) == names


def test_sources_are_in_the_order_of_their_numbers():
    estimates = pd.DataFrame(columns=[f"s{k}_path" for k in (10, 2, 11, 1)])
    assert source_names(estimates) == ["s1", "s2", "s10", "s11"]


def test_no_source_is_named_where_there_is_none():
    denoised = pd.DataFrame(columns=["mixture_id", "path", "denoised_path", "noise_source_path"])
    assert source_names(denoised) == []
