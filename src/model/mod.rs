//! The SRDiff model: settings, weights, conversion of published checkpoints.
