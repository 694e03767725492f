"""What tokens cost: an estimate from dated prices, and no guess where there is no price."""

import threading

import pytest

from stepplan import MODELS, PRICES, Cost, Usage
from stepplan.integration.totals import UsageTotals

MILLION = 1_000_000


@pytest.mark.parametrize(
    ("model", "fresh", "cached", "output"),
    [
        ("step-3.7-flash", 0.20, 0.04, 1.15),
        ("step-3.5-flash", 0.10, 0.02, 0.30),
        ("step-3.5-flash-2603", 0.10, 0.02, 0.30),
        ("step-5-preview", 1.00, 0.05, 2.70),
    ],
)
def test_each_kind_of_token_has_its_price(model: str, fresh: float, cached: float, output: float) -> None:
    assert Usage(input_tokens=MILLION).cost(model) == Cost(fresh)
    assert Usage(input_tokens=MILLION, cache_read_tokens=MILLION).cost(model) == Cost(cached)
    assert Usage(output_tokens=MILLION).cost(model) == Cost(output)
    assert Usage(output_tokens=MILLION, reasoning_tokens=MILLION).cost(model) == Cost(output)


def test_a_cost_is_the_sum_of_its_parts() -> None:
    cost = Usage(input_tokens=1000, output_tokens=100, cache_read_tokens=600).cost("step-3.7-flash")
    assert cost is not None
    assert cost.usd == pytest.approx((400 * 0.20 + 600 * 0.04 + 100 * 1.15) / MILLION)


def test_a_dollar_is_about_seven_million_credits() -> None:
    assert Cost(1.0).credits == 7 * MILLION
    assert Cost(0.0000214).credits == 150


def test_a_cost_says_that_it_is_an_estimate() -> None:
    assert str(Cost(0.0000214)) == "about $0.000021 (150 Credits)"
    assert str(Cost(1234.5)) == "about $1,234.50 (8,641,500,000 Credits)"


@pytest.mark.parametrize("model", ["step-router-v1", "step-9", "gpt-5", ""])
def test_a_model_without_a_price_has_no_cost(model: str) -> None:
    assert Usage(input_tokens=MILLION).cost(model) is None


def test_every_known_model_has_a_price_but_the_router() -> None:
    assert MODELS.keys() - PRICES.keys() == {"step-router-v1"}


def test_token_counts_add_up_field_by_field() -> None:
    assert Usage(1, 2, 3, 4, 5) + Usage(10, 20, 30, 40, 50) == Usage(11, 22, 33, 44, 55)


def test_totals_are_kept_by_model() -> None:
    totals = UsageTotals()
    assert (totals.usage, totals.cost) == ({}, Cost(0.0))
    totals.add("step-3.7-flash", Usage(MILLION))
    totals.add("step-3.7-flash", Usage(0, MILLION))
    totals.add("step-5-preview", Usage(MILLION))
    assert totals.usage == {"step-3.7-flash": Usage(MILLION, MILLION), "step-5-preview": Usage(MILLION)}
    assert totals.costs == {"step-3.7-flash": Cost(1.35), "step-5-preview": Cost(1.0)}
    assert totals.cost is not None
    assert totals.cost.usd == pytest.approx(2.35)
    assert str(totals).startswith("step-3.7-flash: 1,000,000 tokens in, 1,000,000 out, about $1.35")


def test_a_total_with_an_unknown_price_is_no_number() -> None:
    totals = UsageTotals()
    totals.add("step-3.7-flash", Usage(MILLION))
    totals.add("step-9", Usage(MILLION))
    assert totals.costs["step-9"] is None
    assert totals.cost is None
    assert str(totals).endswith("step-9: 1,000,000 tokens in, 0 out, price not known")


def test_threads_add_without_losing_any() -> None:
    totals = UsageTotals()

    def add() -> None:
        for _ in range(500):
            totals.add("step-3.7-flash", Usage(1, 2))

    threads = [threading.Thread(target=add) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert totals.usage == {"step-3.7-flash": Usage(4000, 8000)}
