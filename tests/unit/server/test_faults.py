"""Faults: plans, and the same ones for the same program."""

import pytest

from cipherbucket.errors import UsageError
from cipherbucket.server.faults import KINDS, FaultPlan, Faults


def test_a_plan_is_read() -> None:
    plan = FaultPlan.parse(
        " 500=0.25, reset=0.5,slow ,delay=2,seed=7".replace("slow ", "slow=0.25")
    )
    assert plan.rates == {"500": 0.25, "reset": 0.5, "slow": 0.25}
    assert (plan.seed, plan.delay) == (7, 2.0)
    assert FaultPlan.parse("crc").rates == {"crc": 1.0}
    assert FaultPlan.parse("").rates == {}


@pytest.mark.parametrize(
    "text",
    ["fire", "500=x", "500=1.5", "500=-1", "500=0.6,503=0.6", "seed=x", "delay=-1", "500=nan"],
)
def test_a_plan_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        FaultPlan.parse(text)
    assert caught.value.hint is not None


def met(faults: Faults, count: int) -> list[str | None]:
    return [faults.next("PUT", "b", f"k{n % 50}", {}, None)[0] for n in range(count)]


def test_the_same_seed_gives_the_same_faults() -> None:
    plan = FaultPlan.parse("500=0.2,503=0.2,reset=0.1,seed=3")
    first = met(Faults(plan), 300)
    assert first == met(Faults(plan), 300)
    assert first != met(Faults(FaultPlan.parse("500=0.2,503=0.2,reset=0.1,seed=4")), 300)
    assert {"500", "503", "reset", None} == set(first)


def test_the_order_of_different_requests_does_not_matter() -> None:
    plan = FaultPlan.parse("500=0.5,seed=1")
    forth, back = Faults(plan), Faults(plan)
    keys = [f"k{n}" for n in range(100)]
    there = {key: forth.next("GET", "b", key, {}, None) for key in keys}
    assert there == {key: back.next("GET", "b", key, {}, None) for key in reversed(keys)}


def test_ids_that_are_new_every_time_do_not_matter() -> None:
    plan = FaultPlan.parse("500=0.5,seed=1")
    one, other = Faults(plan), Faults(plan)
    for part in range(1, 101):
        asked = {"partNumber": str(part)}
        assert one.next("PUT", "b", "k", {**asked, "uploadId": "A"}, None) == other.next(
            "PUT", "b", "k", {**asked, "uploadId": "B"}, None
        )


def test_a_request_that_is_repeated_is_drawn_for_anew() -> None:
    faults = Faults(FaultPlan.parse("500=0.5,seed=1"))
    drawn = [faults.next("GET", "b", "k", {}, None)[0] for _ in range(100)]
    assert set(drawn) == {"500", None}


@pytest.mark.parametrize("kind", KINDS)
def test_a_rate_of_one_always_comes(kind: str) -> None:
    faults = Faults(FaultPlan.parse(kind))
    assert set(met(faults, 50)) == {kind}


def test_rates_are_met_about_as_often_as_they_say() -> None:
    plan = FaultPlan.parse("500=0.1,slow=0.3,seed=5")
    drawn = [plan.choose(f"request {n}", 0) for n in range(10_000)]
    assert 900 < drawn.count("500") < 1100
    assert 2800 < drawn.count("slow") < 3200


def test_a_header_asks_for_one_request_alone() -> None:
    faults = Faults(FaultPlan())
    assert faults.next("GET", "b", "k", {}, "slow,delay=3") == ("slow", 3.0)
    assert faults.next("GET", "b", "k", {}, None) == (None, 0)
    with pytest.raises(UsageError):
        faults.next("GET", "b", "k", {}, "fire")
