"""Figures of datasets and predictions: evaluation metrics, statistics."""
