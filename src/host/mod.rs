//! The Rhai host: opens in a mode, builds the engine, runs scripts.
