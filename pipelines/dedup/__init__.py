"""Deduplication: order-free, in bounded memory."""
