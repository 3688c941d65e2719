//! The page of the last drills, and of what the last run of mutants came to.

use askama::Template;

use super::page::{Frame, render};
use super::{Dashboard, PageError};
use crate::campaign::grouped;

pub(super) fn drills(dashboard: &Dashboard) -> Result<String, PageError> {
    if !dashboard.has_drills() {
        return Err(PageError::NotThere);
    }
    let kept = std::fs::read(dashboard.drills_path()).unwrap_or_default();
    // One that a later program has written is read as far as it is understood.
    let kept: serde_json::Value = serde_json::from_slice(&kept).unwrap_or_default();
    let text = |value: &serde_json::Value| match value {
        serde_json::Value::Null => String::new(),
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let drills: Vec<DrillRow> = kept["drills"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|drill| DrillRow {
            fault: drill["fault"].as_str().unwrap_or("(honest core)").to_owned(),
            expected: drill["expected"].as_str().unwrap_or("nothing").to_owned(),
            rang: drill["rang"].as_str().unwrap_or("nothing").to_owned(),
            executions: match drill["executions"].as_u64() {
                Some(count) => grouped(count),
                None => text(&drill["executions"]),
            },
            shortest: text(&drill["shortest"]),
            is_right: drill["is_right"].as_bool().unwrap_or_default(),
        })
        .collect();
    let mutants = std::fs::read_to_string(dashboard.mutants_path()).unwrap_or_default();
    Ok(render(&Drills {
        frame: Frame::new(dashboard, "drills", ""),
        right: drills.iter().filter(|drill| drill.is_right).count(),
        drills,
        mutants: mutants.lines().map(str::to_owned).collect(),
    }))
}

#[derive(Debug, Template)]
#[template(path = "dashboard/drills.html")]
struct Drills {
    frame: Frame,
    drills: Vec<DrillRow>,
    right: usize,
    mutants: Vec<String>,
}

/// A planted fault in the list of drills.
#[derive(Debug)]
struct DrillRow {
    fault: String,
    expected: String,
    rang: String,
    executions: String,
    shortest: String,
    is_right: bool,
}
