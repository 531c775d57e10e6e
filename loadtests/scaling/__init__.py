"""A day of load under the formulas of Kubernetes' autoscaler: which thresholds hold, cheaply."""
