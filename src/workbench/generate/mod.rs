//! Makes sequences: from nothing, going on from others, and by changing them.
//!
//! ```text
//! sequences   from nothing, or going on from some calls; mostly meaningful, often aimed wrong
//! sketch      where the calls so far have led, roughly, so that the next one matters
//! cycle       a few calls over and over, towards bounds
//! ending      what uses handles up and fills a table at the end
//! mutate      from another one, for engines
//! options     which of it is on, and the limits of the driver that it is made for
//! dice        the few draws that all of it needs, by rules that never change
//! ```
//!
//! What is made depends on a generator of random numbers and on nothing else.

mod cycle;
pub mod dice;
mod ending;
mod mutate;
mod options;
mod sequences;
pub mod sketch;

pub use mutate::mutate;
pub use options::{LimitsAt, PARTS, PRODUCT_LIMITS, Part, SMALL_LIMITS, SearchOptions};
pub use sequences::{generate, generate_from_seed, go_on};

#[cfg(test)]
mod tests;
