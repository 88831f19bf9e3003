//! The native CPU executor.
