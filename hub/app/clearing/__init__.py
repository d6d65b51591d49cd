"""Clearing: from cut-off to issued statements, and what proves them. The rules are in `hub.domain.clearing`."""
