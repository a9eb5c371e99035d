"""The order of a run: which samples of which training sets each step visits, for one training set or a mixture.

An order is made of selections, their sidecars and the numbers of `cutlist.sampler`; it reads no media, and is the same
in every process. A checkpoint is the order's settings and a place in it (`Order.state`), from which the order can be
made again.

| file | what is in it |
|---|---|
| `batching` | how batches are made of one training set: sizes, buckets, weights |
| `rules` | what holds for the whole run: seed, shuffle, mixture |
| `order` | what each step draws |
| `plans` | what an epoch has, bucket by bucket |
| `states` | whether a checkpoint fits |
"""

from cutlist.order.batching import Batching, BatchSize, Component, Query, whole
from cutlist.order.order import Draw, Member, Order, make_order, order_of
from cutlist.order.plans import BucketPlan, plan_buckets
from cutlist.order.rules import ONLY, Mix, Mixture, Rules, stages_of
from cutlist.order.states import STATE_VERSION

__all__ = [
    "ONLY",
    "STATE_VERSION",
    "BatchSize",
    "Batching",
    "BucketPlan",
    "Component",
    "Draw",
    "Member",
    "Mix",
    "Mixture",
    "Order",
    "Query",
    "Rules",
    "make_order",
    "order_of",
    "plan_buckets",
    "stages_of",
    "whole",
]
