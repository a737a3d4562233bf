"""Revenger 2021: a family of CRNNs for 12, 6, 4, 3 and 2 leads."""

from models.revenger2021.networks import NETWORKS, Network

__all__ = ["NETWORKS", "Network"]
