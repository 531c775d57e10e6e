"""Overlap policies."""

from __future__ import annotations

import pytest

from domain.policies.overlap import Overlap, Verdict, ends_others, verdict


@pytest.mark.parametrize(
    ("policy", "alone", "behind_others"),
    [
        (Overlap.SKIP, Verdict.SKIP, Verdict.SKIP),
        (Overlap.BUFFER_ONE, Verdict.WAIT, Verdict.SKIP),
        (Overlap.BUFFER_ALL, Verdict.WAIT, Verdict.WAIT),
        (Overlap.CANCEL_OTHER, Verdict.WAIT, Verdict.WAIT),
        (Overlap.TERMINATE_OTHER, Verdict.GO, Verdict.GO),
        (Overlap.ALLOW_ALL, Verdict.GO, Verdict.GO),
    ],
)
def test_each_policy_has_its_verdict(policy: Overlap, alone: Verdict, behind_others: Verdict):
    assert verdict(policy, others_wait=False) is alone
    assert verdict(policy, others_wait=True) is behind_others


def test_only_two_policies_end_others():
    enders = [policy for policy in Overlap if ends_others(policy)]
    assert enders == [Overlap.CANCEL_OTHER, Overlap.TERMINATE_OTHER]


def test_policies_are_named_as_temporal_names_them():
    assert [str(policy) for policy in Overlap] == [
        "skip",
        "buffer_one",
        "buffer_all",
        "cancel_other",
        "terminate_other",
        "allow_all",
    ]
