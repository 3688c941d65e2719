//! What is made is bounded, deterministic, and reaches everything.

mod mutate;
mod sequences;
