//! Tells other programs how campaigns fare: metrics that they collect, and notices that are posted to them.
//!
//! ```text
//! pulse of a campaign ─┐
//! records of campaigns ┼─► metrics ─► a file, or a path of the dashboard
//! findings store ──────┤
//!                      └─► new and regressed findings ─► webhook
//! ```

mod metrics;
mod webhook;

pub use metrics::{Counts, MetricsFile, Watched, exposition, latest};
pub use webhook::{NOTICE_VERSION, Notice, Occasion, Webhook, WebhookError};
